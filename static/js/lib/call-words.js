// What the call screen says: how the call stands, how it ended, and what becomes of it while something is away.

import { LIMITS } from "./renewal.js";

export const STATES = {
  idle: "Ready to call",
  opening: "Opening the microphone…",
  unreached: "The hub can't be reached",
  returning: "The hub is starting",
  calling: "Calling…",
  ringing: "Ringing…",
  connecting: "Connecting…",
  connected: "Connected",
  reconnecting: "Reconnecting…",
  waiting: "The other end lost its connection. Waiting for it…",
};
export const OUTCOMES = {
  answered: "Call ended",
  no_answer: "No answer",
  declined: "The call was declined",
  cancelled: "Call cancelled",
  busy: "Busy with another call",
  offline: "The device is offline",
  failed: "The call could not be made",
};
export const WITHOUT_ANSWER = ["no_answer", "declined", "busy", "offline"];

const ends = (when) => `If it is not back ${when}, the call ends. What was said so far is kept.`;

const AWAY = "The hub can't be reached just now.";

/** After the call: why it ended, where that was not this person's doing, and whether the hub is away; else "". */
export function afterwards({ reason, isHubAway, isEndKnown }) {
  if (!isHubAway) return reason;
  if (reason.startsWith("The hub ")) return `${reason.replace(/\.$/, "")} and can't be reached just now.`;
  if (reason) return `${reason} ${AWAY}`;
  return isEndKnown ? AWAY : `${AWAY} It hears that you hung up as soon as it is back.`;
}

// Of the hub itself: the connection through it is being made anew, or is there again.
const FAILURES = {
  now: "A part of the hub failed. The sound comes back in a moment.",
  over: "A part of the hub failed for a moment. The sound is back.",
};

/** What is going on, and what will happen; "" where there is nothing to explain. `failure` as in CallSession. */
export function explanation({ state, isHubAway, failure }) {
  if (state === "reconnecting") {
    const why = failure ? "A part of the hub failed." : "No sound comes from the hub.";
    return `${isHubAway ? "The hub does not answer." : why} ${ends("in time")}`; // what is left is counted down below it
  }
  if (state === "waiting") return ends(`within ${LIMITS.give_up_s} seconds`);
  if (state === "unreached") return "The call starts as soon as it is back.";
  if (state === "returning") return "The call starts as soon as the hub and the device are ready.";
  if (!isHubAway) return FAILURES[failure] ?? "";
  if (state === "connected") return "The hub does not answer right now. You can go on talking while you hear each other.";
  return "The hub does not answer right now. This page keeps trying.";
}
