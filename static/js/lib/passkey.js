// Passkeys: shown where the browser and the address can have them. allauth's own script asks the browser for them.

import { toast } from "./toast.js";

const isName = !/^[\d.]+$|^\[/.test(location.hostname); // a passkey belongs to a name, never to a number
const can = isSecureContext && isName && "PublicKeyCredential" in window;

for (const element of document.querySelectorAll("[data-passkey]")) element.hidden = !can;
for (const element of document.querySelectorAll("[data-no-passkey]")) element.hidden = can;

const WORDS = {
  NotAllowedError: "That took too long, or you changed your mind. Try again when you like.",
  InvalidStateError: "This passkey is one of yours already.",
  SecurityError: "This address cannot have passkeys.",
};

document.addEventListener("allauth.error", (event) => {
  event.preventDefault();
  toast(WORDS[event.detail.exception?.name] ?? "That did not work. Try again.");
});
