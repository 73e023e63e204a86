// Where an invitation leads: /join/#t=<secret>. The fragment never reaches a server by itself.

const KEY = "hearthline.join";
const place = document.querySelector("[data-join]");
const form = place?.querySelector("form");

if (form) {
  const fragment = location.hash.slice(1) || sessionStorage.getItem(KEY) || "";
  const token = new URLSearchParams(fragment).get("t");
  sessionStorage.removeItem(KEY);
  // The secret stays out of the history and of what a person might copy from the address bar.
  history.replaceState(null, "", location.pathname);
  if (token) {
    form.elements.token.value = token;
    form.submit();
  } else {
    place.querySelector("[data-reading]").hidden = true;
    place.querySelector("[data-lost]").hidden = false;
  }
}

// The way through signing in, or out, leads back here.
for (const keeper of document.querySelectorAll("[data-keeps]")) {
  const keep = () => sessionStorage.setItem(KEY, new URLSearchParams({ t: keeper.dataset.keeps }).toString());
  keeper.addEventListener(keeper.matches("form") ? "submit" : "click", keep);
}
