// Where the QR code leads: /claim/#s=<secret>&f=<fingerprint>. The fragment never reaches a server by itself.

const KEY = "hearthline.claim";
const place = document.querySelector("[data-claim]");
const fragment = location.hash.slice(1) || sessionStorage.getItem(KEY) || "";
const codes = new URLSearchParams(fragment);

// The secret stays out of the history and of what a person might copy from the address bar.
history.replaceState(null, "", location.pathname);
if (!codes.get("s")) {
  location.replace(place.dataset.add);
} else if (document.body.dataset.signedIn !== "true") {
  sessionStorage.setItem(KEY, fragment);
  location.replace(place.dataset.login);
} else {
  sessionStorage.removeItem(KEY);
  const form = place.querySelector("form");
  form.elements.secret.value = codes.get("s");
  form.elements.fingerprint.value = codes.get("f") ?? "";
  form.submit();
}
