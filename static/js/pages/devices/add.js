// The scanner of the page "Add a device", and a code field that forgives.

import "../../lib/answer.js"; // it comes with what was wrong with a code, too
import "../../lib/qr-scanner.js";

const form = document.querySelector("#code-form");
const input = form.elements.user_code;

document.querySelector("qr-scanner").addEventListener("found", ({ detail }) => {
  form.elements.secret.value = detail.secret;
  form.elements.fingerprint.value = detail.fingerprint;
  input.value = detail.userCode;
  form.submit();
});

input.addEventListener("input", () => {
  const atEnd = input.selectionStart === input.value.length;
  const letters = input.value.toUpperCase().replace(/[^A-Z0-9]/g, "").slice(0, 10);
  const shown = letters.length > 5 ? `${letters.slice(0, 5)}-${letters.slice(5)}` : letters;
  // While somebody corrects in the middle, the text stays as it is.
  if (atEnd) input.value = shown;
});
form.addEventListener("submit", () => {
  // What was typed counts, not what an earlier scan left behind.
  form.elements.secret.value = "";
  form.elements.fingerprint.value = "";
});
