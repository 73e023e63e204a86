"""A device of another maker: GStreamer's webrtcbin and plain HTTP, run by Debian's own Python, which has its bindings.

    /usr/bin/python3 tests/whip/device.py --url http://localhost:8000/api/v1/whip --token TOKEN

It says a tone, and drops what it hears (16 bit, 48 kHz, mono) unless told otherwise. One line of JSON for each thing
that happens. SIGTERM hangs up by DELETE; SIGKILL does not.
"""

import argparse
import json
import re
import signal
import sys
import time
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urljoin

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402 - the versions must be asked for first

SPEAK = (
    "{source} ! audioconvert ! audioresample ! opusenc "
    "! rtpopuspay pt=111 ! application/x-rtp,media=audio,encoding-name=OPUS,payload=111,clock-rate=48000 "
    "! webrtcbin name=peer bundle-policy=max-bundle"
)
HEAR = (
    "rtpopusdepay ! opusdec ! audioconvert ! audioresample ! audio/x-raw,format=S16LE,rate=48000,channels=1 "
    "! {sink}"
)
TONE = "audiotestsrc is-live=true wave=sine freq=1000 volume=0.4"
AGAIN_MS = 1000
LOOK_MS = 250
OPENS_MS = 1000
SILENT_S = 4.0


def tell(**what: Any) -> None:
    print(json.dumps(what), flush=True)


class Device:
    def __init__(self, options: argparse.Namespace, loop: Any) -> None:
        self.options, self.loop = options, loop
        self.pipe: Any = None
        self.session = self.etag = ""
        self.candidates: list[str] = []
        self.is_posted = False
        self.alive_at_s = 0.0
        self.has_failed = False

    def connect(self) -> bool:
        self.pipe = Gst.parse_launch(SPEAK.format(source=self.options.source))
        self.is_posted, self.candidates, self.etag = False, [], ""
        self.peer = self.pipe.get_by_name("peer")
        for server in self._ice_servers():
            self.peer.emit("add-turn-server", server)
        direction = GstWebRTC.WebRTCRTPTransceiverDirection
        self.peer.emit("get-transceiver", 0).set_property(
            "direction", direction.SENDONLY if self.options.sendonly else direction.SENDRECV
        )
        self.peer.connect("on-negotiation-needed", self._negotiate)
        self.peer.connect("on-ice-candidate", lambda _, index, text: self.candidates.append(text))
        self.peer.connect("pad-added", self._hear)
        self.peer.connect("notify::ice-gathering-state", lambda *_: GLib.idle_add(self._gathered))
        self.peer.connect("notify::connection-state", lambda *_: GLib.idle_add(self._changed))
        self.pipe.set_state(Gst.State.PLAYING)
        GLib.timeout_add(OPENS_MS, self._opened, self.pipe)
        return False

    def _opened(self, pipe: Any) -> bool:
        """GStreamer goes on without a word where there is no such microphone."""
        if pipe is self.pipe and pipe.get_state(0)[0] == Gst.StateChangeReturn.FAILURE:
            tell(
                event="failed", detail=f"GStreamer cannot open {self.options.source}. Is there a sound card?"
            )
            self.has_failed = True
            self.hang_up()
        return False

    def hang_up(self) -> None:
        if self.session and self.options.goodbye:
            status, _, _ = self._ask("DELETE", self.session)
            tell(event="deleted", status=status)
        self.loop.quit()

    # Offer and answer

    def _negotiate(self, peer: Any) -> None:
        peer.emit("create-offer", None, Gst.Promise.new_with_change_func(self._offered, peer))

    def _offered(self, promise: Any, peer: Any) -> None:
        reply = promise.get_reply()  # kept, since the offer lies in it
        offer = reply.get_value("offer")
        self.sdp = offer.sdp.as_text()
        peer.emit("set-local-description", offer, None)
        if self.options.trickle:
            GLib.idle_add(self._post, self.sdp)

    def _gathered(self) -> bool:
        if self.peer.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            if self.options.trickle:
                self._trickle()
            else:
                self._post(self.peer.get_property("local-description").sdp.as_text())
        return False

    def _post(self, sdp: str) -> bool:
        if self.is_posted:
            return False
        self.is_posted = True
        status, headers, body = self._ask("POST", self.options.url, "application/sdp", sdp)
        tell(
            event="posted",
            status=status,
            location=headers.get("Location"),
            detail=body if status != 201 else "",
        )
        if status != 201:
            self._again()
            return False
        self.session, self.etag = urljoin(self.options.url, headers["Location"]), headers["ETag"]
        _, message = GstSdp.SDPMessage.new_from_text(body)
        answer = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
        self.peer.emit("set-remote-description", answer, None)
        return False

    def _trickle(self) -> None:
        lines = ["a=mid:audio0", *(f"a={text}" for text in self.candidates), "a=end-of-candidates", ""]
        ufrag = re.search("a=ice-ufrag:.*", self.sdp)
        if ufrag is None or not self.etag:
            return
        fragment = "\r\n".join([ufrag[0].strip(), "m=audio 9 RTP/AVP 0", *lines])
        status, _, _ = self._ask("PATCH", self.session, "application/trickle-ice-sdpfrag", fragment)
        tell(event="trickled", status=status, candidates=len(self.candidates))

    # The connection

    def _hear(self, peer: Any, pad: Any) -> None:
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        listener = Gst.parse_bin_from_description(HEAR.format(sink=self.options.sink), True)
        self.pipe.add(listener)
        listener.sync_state_with_parent()
        pad.link(listener.get_static_pad("sink"))
        tell(event="hears")

    def _changed(self) -> bool:
        state = self.peer.get_property("connection-state").value_nick
        tell(event="state", state=state)
        if state in ("failed", "closed", "disconnected"):
            self._again()
        elif state == "connected":
            self._alive()
            source = self.peer.iterate_all_by_element_factory_name("nicesrc").next()[1]
            source.get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, self._alive)
            GLib.timeout_add(LOOK_MS, self._look, self.pipe)
        return False

    def _alive(self, *_: Any) -> Any:
        self.alive_at_s = time.monotonic()
        return Gst.PadProbeReturn.OK

    def _look(self, pipe: Any) -> bool:
        """webrtcbin does not say that the other side has closed or is gone. The hub's RTCP comes every 1.5 s."""
        if pipe is not self.pipe:
            return False
        if time.monotonic() - self.alive_at_s < SILENT_S:
            return True
        tell(event="lost")
        self._again()
        return False

    def _again(self) -> None:
        """WHIP has no way for a server to ask for another offer: a device that lost its connection makes a new one."""
        self.pipe.set_state(Gst.State.NULL)
        self.pipe = None  # the session stays known: who hangs up before the next one says goodbye to this one
        GLib.timeout_add(AGAIN_MS, self.connect)

    # HTTP

    def _ice_servers(self) -> list[str]:
        _, headers, _ = self._ask("OPTIONS", self.options.url)
        found = re.findall(
            r'<(turns?):([^>]*)>; rel="ice-server"; username="([^"]*)"; credential="([^"]*)"',
            headers.get("Link", ""),
        )
        return [
            f"{kind}://{GLib.Uri.escape_string(name, None, True)}:{GLib.Uri.escape_string(word, None, True)}@{host}"
            for kind, host, name, word in found
        ]

    def _ask(self, method: str, url: str, kind: str = "", body: str = "") -> tuple[int, Any, str]:
        request = urllib.request.Request(url, data=body.encode() if body else None, method=method)
        request.add_header("Authorization", f"Bearer {self.options.token}")
        if kind:
            request.add_header("Content-Type", kind)
        if method == "PATCH":
            request.add_header("If-Match", self.etag)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read().decode()
        except OSError as error:
            return 0, {}, type(error).__name__


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--source", default=TONE, help="what it says, as GStreamer names it: autoaudiosrc")
    parser.add_argument("--sink", default="fakesink", help="where it plays what it hears: autoaudiosink")
    parser.add_argument("--trickle", action="store_true")
    parser.add_argument("--sendonly", action="store_true")
    parser.add_argument("--no-goodbye", dest="goodbye", action="store_false")
    Gst.init(None)
    loop = GLib.MainLoop()
    device = Device(parser.parse_args(words), loop)
    GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGTERM, device.hang_up)
    device.connect()
    loop.run()
    sys.exit(device.has_failed)


if __name__ == "__main__":
    main(sys.argv[1:])
