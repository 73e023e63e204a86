// Where the link of a device that is given away leads: /take/#t=<secret>. The fragment never reaches a server by itself.

const KEY = "hearthline.take";
const place = document.querySelector("[data-take]");
const form = place?.querySelector("form");

if (form) {
  const fragment = location.hash.slice(1) || sessionStorage.getItem(KEY) || "";
  const token = new URLSearchParams(fragment).get("t");
  // The secret stays out of the history and of what a person might copy from the address bar.
  history.replaceState(null, "", location.pathname);
  if (!token) {
    place.querySelector("[data-reading]").hidden = true;
    place.querySelector("[data-lost]").hidden = false;
  } else if (document.body.dataset.signedIn !== "true") {
    sessionStorage.setItem(KEY, fragment);
    location.replace(place.dataset.login);
  } else {
    sessionStorage.removeItem(KEY);
    form.elements.token.value = token;
    form.submit();
  }
}
