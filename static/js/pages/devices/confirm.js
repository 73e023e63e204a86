// Choosing a home: the page comes again with its rooms. Choosing a room: a field for another room, and a name that
// follows the room until somebody types one. When the code is good no more, the page says so by itself.

const choice = document.querySelector("[data-room-choice]");
const other = document.querySelector("[data-other-room]");
const name = document.querySelector('input[name="name"]');
// A device that is added again keeps the name that it had.
const isKnown = document.querySelector('input[name="lets_go"]') !== null;
let isOwnName = isKnown || !document.querySelector('input[name="secret"]');

function chosenRoom() {
  const value = choice.querySelector("input:checked")?.value ?? "";
  return value === "+" ? other.querySelector("input").value.trim() : value;
}

function follow() {
  const isOther = choice.querySelector("input:checked")?.value === "+";
  other.hidden = !isOther;
  const room = chosenRoom();
  if (!isOwnName && room) name.value = `${room} speaker`;
}

const home = document.querySelector("[data-home-choice]");
home?.addEventListener("change", () => {
  const form = home.closest("form");
  form.action = home.dataset.homeChoice;
  form.noValidate = true;
  form.submit();
});
choice?.addEventListener("change", () => {
  follow();
  if (!other.hidden) other.querySelector("input").focus();
});
other?.addEventListener("input", follow);
name?.addEventListener("input", () => (isOwnName = true));

// The page at this address says that the code's time is over.
const claim = document.querySelector("form[data-left-s]");
if (claim) setTimeout(() => location.replace(claim.action), Number(claim.dataset.leftS) * 1000);
