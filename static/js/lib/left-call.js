// A call that ended because its page was closed: the page of the device says so when it is opened next in this tab, once.

const KEY = "hearthline.leftCall";

export function leftCallKeep(deviceId, callId) {
  if (callId) sessionStorage.setItem(KEY, JSON.stringify({ deviceId, callId }));
}

/** The id of the call with this device; null where none was left. */
export function leftCallTake(deviceId) {
  const kept = JSON.parse(sessionStorage.getItem(KEY));
  sessionStorage.removeItem(KEY);
  return kept?.deviceId === deviceId ? kept.callId : null;
}
