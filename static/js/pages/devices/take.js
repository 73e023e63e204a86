// Where the link of a device that is given away leads: /take/#t=<secret>.

import { linkAgain, linkKeep, linkLost, linkRead } from "../../lib/link-secret.js";

const KEY = "hearthline.take";
const place = document.querySelector("[data-take]");
const form = place?.querySelector("form");
const fragment = linkRead(KEY);
const token = new URLSearchParams(fragment).get("t");

if (form && !token) {
  linkLost(place);
} else if (form && document.body.dataset.signedIn !== "true") {
  linkKeep(KEY, fragment);
  location.replace(place.dataset.login);
} else if (form) {
  form.elements.token.value = token;
  form.submit();
}

linkAgain(KEY);
