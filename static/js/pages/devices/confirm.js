// Choosing a room: a field for another room, and a name that follows the room until somebody types one.

const choice = document.querySelector("[data-room-choice]");
const other = document.querySelector("[data-other-room]");
const name = document.querySelector('input[name="name"]');
let isOwnName = !document.querySelector('input[name="secret"]');

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

choice?.addEventListener("change", () => {
  follow();
  if (!other.hidden) other.querySelector("input").focus();
});
other?.addEventListener("input", follow);
name?.addEventListener("input", () => (isOwnName = true));
