// Where the QR code leads: /claim/#s=<secret>&f=<fingerprint>.

import { linkKeep, linkRead } from "../../lib/link-secret.js";

const KEY = "hearthline.claim";
const place = document.querySelector("[data-claim]");
const fragment = linkRead(KEY);
const codes = new URLSearchParams(fragment);

if (!codes.get("s")) {
  location.replace(place.dataset.add);
} else if (document.body.dataset.signedIn !== "true") {
  linkKeep(KEY, fragment);
  location.replace(place.dataset.login);
} else {
  const form = place.querySelector("form");
  form.elements.secret.value = codes.get("s");
  form.elements.fingerprint.value = codes.get("f") ?? "";
  form.submit();
}
