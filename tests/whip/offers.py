"""What GStreamer's webrtcbin offers, cut to what the tests need."""

OFFER = "\r\n".join(
    [
        "v=0",
        "o=- 426754416662287218 0 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        "a=ice-options:trickle",
        "a=group:BUNDLE audio0",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "c=IN IP4 0.0.0.0",
        "a=setup:actpass",
        "a=ice-ufrag:nmBlEzX1vq2NduwwT0NDjXBaZJKTGt1C",
        "a=ice-pwd:QwjtCehy5cFFtlE6wHSx8bCQrwgcuZE6",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        "a=sendrecv",
        "a=rtpmap:111 OPUS/48000/2",
        "a=fmtp:111 sprop-stereo=0;sprop-maxcapturerate=48000",
        "a=ssrc:3538517547 cname:user2625213331@host-9110a06d",
        "a=mid:audio0",
        "a=fingerprint:sha-256 " + ":".join(["08"] * 32),
        "a=rtcp-mux-only",
        "",
    ]
)
FRAGMENT = "\r\n".join(
    [
        "a=ice-ufrag:nmBlEzX1vq2NduwwT0NDjXBaZJKTGt1C",
        "a=ice-pwd:QwjtCehy5cFFtlE6wHSx8bCQrwgcuZE6",
        "m=audio 9 RTP/AVP 0",
        "a=mid:audio0",
        "a=candidate:1 1 UDP 2015363327 192.0.2.2 39002 typ host",
        "a=candidate:2 1 UDP 2015363327 192.0.2.3 39003 typ host",
        "a=end-of-candidates",
        "",
    ]
)
VIDEO = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=rtpmap:96 VP8/90000\r\n"
