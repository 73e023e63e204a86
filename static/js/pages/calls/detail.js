// A call's recording and its words, tied together: the player marks the sentence, the sentence moves the player.

import "../../lib/call-player.js";
import { hub } from "../../lib/socket.js";
import { toast } from "../../lib/toast.js";

document.addEventListener("click", (event) => {
  const sentence = event.target.closest(".sentence");
  if (sentence) document.querySelector("call-player")?.playFrom(Number(sentence.dataset.start));
  const callId = event.target.closest("[data-hangs-up]")?.dataset.hangsUp;
  if (callId) hub.request({ type: "call_end", call_id: callId }).catch((error) => toast(error.message));
});

document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, textarea, select, [contenteditable]") || event.ctrlKey || event.metaKey || event.altKey) {
    return;
  }
  const player = document.querySelector("call-player");
  const onButton = event.target.closest("button, a");
  const acts = {
    k: () => player.toggle(),
    " ": () => player.toggle(),
    j: () => player.skip(-5),
    l: () => player.skip(5),
  };
  const act = acts[event.key.toLowerCase()];
  if (!player || !act || (event.key === " " && onButton)) return;
  event.preventDefault();
  act();
});
