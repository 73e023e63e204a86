// The composer: a counter, phrases, Everywhere above the single choices, and Ctrl+Enter.

const form = document.querySelector("#announce-form");
const text = form.elements.text;
const counter = document.querySelector("#counter");
const submit = form.querySelector('button[type="submit"]');
const everywhere = form.elements.everywhere;

function count() {
  // Characters as people count them: an emoji is one.
  const length = [...text.value.replace(/\s+/g, " ").trim()].length;
  counter.querySelector("[data-count]").textContent = String(length);
  const isOver = length > Number(text.dataset.most);
  counter.classList.toggle("over", isOver);
  counter.querySelector("[data-over]").hidden = !isOver;
  if (submit) submit.disabled = isOver;
}

function settleTargets() {
  for (const input of form.querySelectorAll('input[name="rooms"], input[name="devices"]')) {
    if (everywhere?.checked) input.checked = false;
  }
}

text.addEventListener("input", count);
text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    if (submit && !submit.disabled) form.requestSubmit(submit);
  }
});
form.addEventListener("change", (event) => {
  if (event.target === everywhere) settleTargets();
  else if (["rooms", "devices"].includes(event.target.name) && event.target.checked && everywhere) everywhere.checked = false;
});
form.addEventListener("click", (event) => {
  const phrase = event.target.closest("[data-phrase]");
  if (!phrase) return;
  text.value = phrase.dataset.phrase;
  count();
  text.focus();
});
// A refusal of the hub comes as a fragment with status 4xx; htmx shows it where the sound would be.
document.body.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.xhr.status >= 400 && event.detail.xhr.status < 500) {
    event.detail.shouldSwap = true;
    event.detail.isError = false;
  }
});
count();
if (matchMedia("(hover: hover)").matches) text.focus();
