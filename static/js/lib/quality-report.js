// What this end of a call measures: getStats once a second, told to the hub every five seconds.

const SAMPLES_A_MESSAGE = 5;
const SAMPLES_KEPT = 15; // while the hub is away; a message takes no more
const COUNTERS = {
  "inbound-rtp": {
    packetsReceived: ["packets_received", 1_000],
    packetsLost: ["packets_lost", 1_000],
    bytesReceived: ["bytes_received", 1_000_000],
    totalSamplesReceived: ["total_samples_received", 1_000_000],
    concealedSamples: ["concealed_samples", 1_000_000],
    silentConcealedSamples: ["silent_concealed_samples", 1_000_000],
    concealmentEvents: ["concealment_events", 1_000],
  },
  "outbound-rtp": { packetsSent: ["packets_sent", 1_000], bytesSent: ["bytes_sent", 1_000_000] },
};

/** One object for a call, whatever connection it has at the moment. */
export class QualityReport {
  #hub;
  #connection = null;
  #counts = new Map();
  #samples = [];
  #way = {};

  constructor(hub) {
    this.#hub = hub;
  }

  /** Call once a second. A new connection counts from zero again. */
  async take(connection, callId) {
    const reports = await connection.getStats();
    if (connection !== this.#connection) {
      this.#connection = connection;
      this.#counts.clear();
    }
    this.#samples = [...this.#samples, this.#sample([...reports.values()])].slice(-SAMPLES_KEPT);
    this.#way = { ...this.#way, ...wayOf(reports) };
    if (this.#samples.length >= SAMPLES_A_MESSAGE) this.#send(callId);
  }

  /** Nothing is measured for a while, or any more. Now or never: the hub takes the last sample for that of this second. */
  pause(callId) {
    if (this.#samples.length) this.#send(callId);
    this.#samples = [];
  }

  #send(callId) {
    const message = { type: "stats", call_id: callId, samples: this.#samples, ...this.#way };
    if (this.#hub.send(message)) this.#samples = [];
  }

  #sample(reports) {
    const sample = {};
    for (const report of reports) {
      for (const [name, [key, most]] of Object.entries(COUNTERS[report.type] ?? {})) {
        if (report.kind === "audio" && name in report) sample[key] = this.#since(key, report[name], most);
      }
      if (report.type === "inbound-rtp" && report.kind === "audio") {
        sample.jitter_s = report.jitter ?? null;
        sample.audio_level = report.audioLevel ?? null;
      }
      if (report.type === "candidate-pair" && report.nominated && report.currentRoundTripTime !== undefined) {
        sample.round_trip_time_s ??= report.currentRoundTripTime;
      }
      // RTCP measures the way of the sound itself; the checks of the path are only the next best.
      if (report.type === "remote-inbound-rtp" && report.roundTripTime !== undefined) {
        sample.round_trip_time_s = report.roundTripTime;
      }
    }
    return sample;
  }

  // Packets that come late lower packetsLost again.
  #since(key, count, most) {
    const before = this.#counts.get(key) ?? 0;
    this.#counts.set(key, count);
    return Math.min(most, Math.max(0, count - before));
  }
}

// Kinds and protocol of the selected pair, and the codec; no addresses.
function wayOf(reports) {
  const all = [...reports.values()];
  const transport = all.find((report) => report.type === "transport");
  const pair = reports.get(transport?.selectedCandidatePairId);
  const local = reports.get(pair?.localCandidateId);
  const remote = reports.get(pair?.remoteCandidateId);
  const inbound = all.find((report) => report.type === "inbound-rtp" && report.kind === "audio");
  const codec = reports.get(inbound?.codecId)?.mimeType;
  return {
    ...(codec && { codec }),
    ...(local && { local_candidate_type: local.candidateType, protocol: local.protocol }),
    ...(remote && { remote_candidate_type: remote.candidateType }),
  };
}
