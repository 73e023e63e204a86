// Light, dark, or as the system wishes. base.html applies the choice before the first paint.

const KEY = "hearthline.theme";

export function wireThemeChoice(root = document) {
  const inputs = root.querySelectorAll('input[name="theme"]');
  const chosen = localStorage.getItem(KEY) ?? "auto";
  for (const input of inputs) {
    input.checked = input.value === chosen;
    input.addEventListener("change", () => choose(input.value));
  }
}

function choose(value) {
  if (value === "auto") {
    localStorage.removeItem(KEY);
    delete document.documentElement.dataset.theme;
  } else {
    localStorage.setItem(KEY, value);
    document.documentElement.dataset.theme = value;
  }
}
