// Where an invitation leads: /join/#t=<secret>.

import { linkAgain, linkLost, linkRead } from "../../lib/link-secret.js";

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

linkAgain(KEY);
