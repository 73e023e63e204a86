"""The hub's end of a browser's WebSocket, so that a test decides what the page hears."""

import json
from typing import Any

from playwright.sync_api import Page, WebSocketRoute

HOUSEHOLD = "11111111-1111-4111-8111-111111111111"


# A worker's end in the page itself: it answers, sends a tone, and can go away without a word.
_FAR_END = """async (sdp) => {
  const far = new window.RTCPeerConnection();
  window.farEnds = [...(window.farEnds ?? []), far];
  const context = new AudioContext();
  const tone = new OscillatorNode(context);
  const out = new MediaStreamAudioDestinationNode(context);
  tone.connect(out);
  tone.start();
  await far.setRemoteDescription({ type: "offer", sdp });
  far.addTrack(out.stream.getAudioTracks()[0], out.stream);
  await far.setLocalDescription();
  while (far.iceGatheringState !== "complete") await new Promise((go) => setTimeout(go, 20));
  return far.localDescription.sdp;
}"""


class FakeHub:
    """Answers hello by itself. Everything else: `sent` keeps it, and `answers` says what comes back."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.sent: list[dict[str, Any]] = []
        self.answers: dict[str, dict[str, Any]] = {}
        self.hello_count = 0
        self.turned_away_count = 0  # tries to come back since `put_out`
        self._socket: WebSocketRoute | None = None
        page.route_web_socket("**/ws/hub/", self._opened)

    def say(self, message_type: str, **fields: Any) -> None:
        """To the page, as the hub would."""
        self._send({"type": message_type, **fields})

    def drop(self) -> None:
        """The connection breaks."""
        if self._socket is None:
            raise AssertionError("the page has not connected")
        self._socket.close(code=1012)

    def put_out(self, code: str, message: str) -> None:
        """The last word, and no way back in."""
        self.say("error", code=code, message=message)
        self.page.route_web_socket("**/ws/hub/", self._turn_away)
        if self._socket is not None:
            self._socket.close(code=4401)

    def leave(self) -> None:
        """The connection breaks, and the next ones too, until `come_back`."""
        self.page.route_web_socket("**/ws/hub/", lambda socket: socket.close(code=1012))
        self.drop()

    def come_back(self) -> None:
        self.page.route_web_socket("**/ws/hub/", self._opened)

    def connect(self, *, count: int = 1) -> None:
        """Answer the page's `count`-th offer with a real connection, on which it hears a tone."""
        offer = self.wait_for("webrtc_offer", count=count)
        sdp = self.page.evaluate(_FAR_END, offer["sdp"])
        self.say("webrtc_answer", reply_to=offer["id"], sdp=sdp)
        for candidate in [m for m in self.sent if m["type"] == "ice_candidate" and m["candidate"]]:
            words = {
                key: candidate.get(key)
                for key in ("candidate", "sdpMid", "sdpMLineIndex", "usernameFragment")
            }
            self.page.evaluate(
                "(words) => window.farEnds.at(-1).addIceCandidate(words).catch(() => {})", words
            )
        self.page.wait_for_function("() => window.farEnds.at(-1).connectionState === 'connected'")

    def hang_far_end(self) -> None:
        """The connection that was made last is closed at its far end."""
        self.page.evaluate("() => window.farEnds.at(-1).close()")

    def wait_for(self, message_type: str, *, count: int = 1, within_ms: int = 10_000) -> dict[str, Any]:
        """The `count`-th message of that type. Raises AssertionError when it does not come."""
        for _ in range(within_ms // 50):
            found = [message for message in self.sent if message["type"] == message_type]
            if len(found) >= count:
                return found[count - 1]
            self.page.wait_for_timeout(50)
        raise AssertionError(f"no {message_type}; there came {[m['type'] for m in self.sent]}")

    def _opened(self, socket: WebSocketRoute) -> None:
        self._socket = socket
        socket.on_message(lambda text: self._received(json.loads(text)))

    def _turn_away(self, socket: WebSocketRoute) -> None:
        self.turned_away_count += 1
        socket.close(code=4401)

    def _received(self, message: dict[str, Any]) -> None:
        self.sent.append(message)
        if message["type"] == "hello":
            self.hello_count += 1
            fields = {"version": 1, "household_id": HOUSEHOLD, "household_name": "Lake House"}
            self._send(
                {"type": "hello_ack", "voices": [], "ice_servers": [], **fields, "reply_to": message["id"]}
            )
        elif message["type"] == "ice_servers_request":
            ice = {"type": "ice_servers", "ice_servers": [], "ice_transport_policy": "all"}
            self._send(ice | {"reply_to": message["id"]})
        elif message["type"] == "ping":
            self._send({"type": "pong"})
        elif message["type"] in self.answers:
            self._send(self.answers[message["type"]] | {"reply_to": message["id"]})

    def _send(self, message: dict[str, Any]) -> None:
        if self._socket is None:
            raise AssertionError("the page has not connected")
        self._socket.send(json.dumps(message))
