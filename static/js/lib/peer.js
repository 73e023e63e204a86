// One peer connection to the worker: offered once, watched by its packets, closed once.

// Two packets are in the browser's buffer before sound comes out of it.
const HEARS_PACKETS = 3;
const RTCP_LEAD_S = 1;

/** Seconds that never run backwards. */
export function now_s() {
  return performance.now() / 1000;
}

/** Events: "track" (detail: MediaStream), "candidate" (detail: RTCIceCandidate or null), "trouble". */
export class Peer extends EventTarget {
  #microphone;
  #connection = null;
  #isClosed = false;
  #packets = 0;
  #rtpPackets = 0;
  #packetAt = 0;
  #rtpAt = 0;
  stream = null;
  isConnected = false;
  hears = false;

  constructor(microphone) {
    super();
    this.#microphone = microphone;
  }

  /** `ask` takes a message to the hub and resolves with its answer. Rejects with what `ask` rejects with. */
  async connect(ask) {
    // Fresh for every connection: the credentials of the relay live ten minutes.
    const ice = await ask({ type: "ice_servers_request" });
    if (this.#isClosed) return;
    const connection = this.#make({ iceServers: ice.ice_servers, iceTransportPolicy: ice.ice_transport_policy });
    const early = [];
    connection.addEventListener("icecandidate", ({ candidate }) => {
      if (early.isOpen) this.#tell("candidate", candidate);
      else early.push(candidate);
    });
    await connection.setLocalDescription();
    // The candidates follow the offer on the same socket, so the hub knows the connection when they come.
    const answer = ask({ type: "webrtc_offer", sdp: connection.localDescription.sdp });
    early.isOpen = true;
    for (const candidate of early) this.#tell("candidate", candidate);
    const { sdp } = await answer;
    if (!this.#isClosed) await connection.setRemoteDescription({ type: "answer", sdp });
  }

  #make(configuration) {
    const connection = new RTCPeerConnection(configuration);
    this.#connection = connection;
    for (const track of this.#microphone.getAudioTracks()) connection.addTrack(track, this.#microphone);
    connection.addEventListener("track", ({ track, streams }) => {
      this.stream = streams[0] ?? new MediaStream([track]);
      this.#tell("track", this.stream);
    });
    connection.addEventListener("connectionstatechange", () => this.#changed());
    return connection;
  }

  addCandidate(candidate) {
    this.#connection?.addIceCandidate(candidate).catch(() => {});
  }

  getStats() {
    return this.#connection.getStats();
  }

  /** Counts what arrived; `silent_s` and `speaks` are as of then. */
  async look() {
    if (!this.isConnected) return;
    let packets = 0;
    let rtpPackets = 0;
    for (const report of (await this.getStats()).values()) {
      // The transport counts RTCP too: a peer that says nothing still reports, so its silence is no loss.
      if (report.type === "transport") packets += report.packetsReceived ?? 0;
      else if (report.type === "inbound-rtp") rtpPackets += report.packetsReceived;
      else if (report.type === "remote-outbound-rtp") packets += report.reportsSent ?? 0;
    }
    if (packets + rtpPackets !== this.#packets) this.#packetAt = now_s();
    if (rtpPackets !== this.#rtpPackets) this.#rtpAt = now_s();
    this.#packets = packets + rtpPackets;
    this.#rtpPackets = rtpPackets;
    this.hears = rtpPackets >= HEARS_PACKETS;
  }

  /** Since the last packet; null while it is not connected, or not any more. */
  get silent_s() {
    return this.isConnected ? now_s() - this.#packetAt : null;
  }

  /** Whether the last packets were sound, and not the reports of RTCP alone. */
  get speaks() {
    return this.#packetAt - this.#rtpAt < RTCP_LEAD_S;
  }

  close() {
    this.#isClosed = true;
    this.isConnected = false;
    this.#connection?.close();
  }

  #changed() {
    const state = this.#connection.connectionState;
    if (state === "connected" && !this.isConnected) this.#packetAt = now_s();
    // "disconnected" may pass: then packets come again.
    this.isConnected = state === "connected" || (state === "disconnected" && this.isConnected);
    this.#tell("trouble", state);
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
