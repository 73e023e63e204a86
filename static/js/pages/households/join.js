// Where an invitation leads: /join/#t=<secret>.

import { linkKeep, linkLost, linkRead } from "../../lib/link-secret.js";

const KEY = "hearthline.join";
const place = document.querySelector("[data-join]");
const form = place?.querySelector("form");
const token = new URLSearchParams(linkRead(KEY)).get("t");

if (form && token) {
  form.elements.token.value = token;
  form.submit();
} else if (form) {
  linkLost(place);
}

// The way through signing in, or out, leads back here.
for (const keeper of document.querySelectorAll("[data-keeps]")) {
  const keep = () => linkKeep(KEY, new URLSearchParams({ t: keeper.dataset.keeps }).toString());
  keeper.addEventListener(keeper.matches("form") ? "submit" : "click", keep);
}
