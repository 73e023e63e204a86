// A link that carries its secret behind the #, where no server reads it by itself.

/**
 * What this page's address brought, else what was kept under `key`. Another link that is opened in the same tab changes
 * nothing but the fragment, so the page begins anew with it.
 */
export function linkRead(key) {
  const fragment = location.hash.slice(1) || sessionStorage.getItem(key) || "";
  sessionStorage.removeItem(key);
  // The secret stays out of the history and of what a person might copy from the address bar.
  history.replaceState(null, "", location.pathname);
  addEventListener("hashchange", () => {
    if (location.hash.length < 2) return;
    linkKeep(key, location.hash.slice(1));
    location.replace(location.pathname);
  });
  return fragment;
}

/** For when this tab comes back to the page of the link. */
export function linkKeep(key, fragment) {
  sessionStorage.setItem(key, fragment);
}

/** Reload, Back, and the way through signing in or out come to the page of the link again, and find what it opened. */
export function linkAgain(key) {
  const token = document.querySelector("[data-keeps]")?.dataset.keeps;
  if (token) linkKeep(key, new URLSearchParams({ t: token }).toString());
}

/** The page got no secret, and says so. */
export function linkLost(place) {
  place.querySelector("[data-reading]").hidden = true;
  place.querySelector("[data-lost]").hidden = false;
}
