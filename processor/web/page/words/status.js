// What the status view says.

import { age, bytes, clock, counted, number, rate, second, share } from "../formats.js";

const inPartitions = (count) => counted(count, "partition", "partitions");
const short = (fingerprint) => (fingerprint ? fingerprint.slice(0, 8) : "one that is not known");

export const WORDS = {
  // By the id of the element.
  texts: {
    "lag-heading": "How far behind",
    "notice-heading": "What is defined",
    "reasons-heading": "Not ready, because",
    "reload-heading": "The changed configuration was refused; the former one goes on",
    "limit-heading": "Many dead letters",
    "backfill-heading": "Backfill",
    "backfills-caption": "A worker looks at one partition at a time, and at live events first. Refused: profiles that stay as they are.",
    "flow-heading": "Flow",
    "hour-heading": "The last hour",
    "hour-summary": "The same as a table",
    "hour-caption": "Mean rates of each minute, the latest first.",
    "workers-heading": "Workers",
    "workers-caption": "Of the last ten seconds. CPU: of one core. Busy: the share of time with events in flight, which is mostly waiting for Kinesis and Kafka; held back: all buffers full; idle: neither.",
    "partitions-heading": "Partitions",
    "partitions-caption": "Lag: events to take, fetched or not. Age: of the oldest of them.",
    "shards-heading": "Shards",
    "shards-caption": "Of all workers together, but for the limit: each finds its own, from the published 1,000 a second.",
    "items-heading": "What governance lets through",
    "items-caption": "What is mapped to this destination.",
    "errors-heading": "Last warnings and errors",
    "json-link": "JSON",
    "metrics-link": "metrics",
    "readyz-link": "readyz",
    "livez-link": "livez",
  },
  none: "none",
  unknown: "unknown",
  place: (topic, group, stream, region) => `topic ${topic}, group ${group} → stream ${stream} (${region})`,
  version: (version) => `version ${version}`,
  lag: {
    lag: "lag",
    partly: (unknown) => `and what ${number(unknown)} partitions have, not known yet`,
    whole: "events to take, of all partitions",
    oldest: "oldest",
    oldestNote: "since the oldest of them was made",
    p99: "event to acknowledgement, p99",
    p99Note: "of the last minute",
  },
  limit: (worker, told) => `worker ${worker}: ${told}`,
  backfill: {
    words({ partitions, share: done, leftS }) {
      const { off, waiting, running, complete } = partitions;
      if (!waiting && !running) return off ? `due in ${inPartitions(off)}, and not begun` : `complete in ${inPartitions(complete)}`;
      if (!running && !complete) return `waits for live events: ${inPartitions(waiting)}`;
      const left = leftS === null ? "how long it takes is not known yet" : leftS < 1 ? "almost done" : `about ${age(leftS)} left`;
      return `${share(done)}: ${number(complete)} of ${inPartitions(waiting + running + complete)} done, ${left}`;
    },
    cause({ fingerprint, former, request }, { off, waiting, running }) {
      const tense = waiting || running ? "is" : off ? "is to be" : "was";
      const looked = `every profile's latest event ${tense} looked at once more`;
      return request === null
        ? `The configuration has changed, from ${short(former)} to ${short(fingerprint)}: ${looked}.`
        : `It was asked for (${request}): ${looked}, under configuration ${short(fingerprint)}.`;
    },
    off: "PROCESSOR_BACKFILL=off: none begins by itself. Until one does, profiles without a new event stay at the destination as they are. "
      + "Type “processor backfill” where Kafka is reached to begin it, “processor backfill --dry-run” to see what it would export.",
    refused(count, reasons) {
      const all = counted(count, "profile stays as it is, for its latest event is", "profiles stay as they are, for their latest events are");
      return `${all} refused now: ${reasons.map(([reason, each]) => `${reason} ${number(each)}`).join(", ")}.`;
    },
    unmet(count, sourceFromMs) {
      const all = counted(count, "profile that was exported has no event in the source any more, and stays as it is", "profiles that were exported have no event in the source any more, and stay as they are");
      const from = second(sourceFromMs);
      return `${all}.${from ? ` The source begins at ${from}.` : ""}`;
    },
    inAll: "in all",
    figures: { read: "events read again", profiles: "profiles looked at", exported: "exported" },
    stages: { off: "due", waiting: "waits", complete: "complete" },
    running: (done) => `${share(done)} `,
    bar: "read",
    headings: ["partition", "worker", "state", "#events read", "#profiles", "#exported", "#refused"],
  },
  flow: {
    stages: [
      ["received", "received"], ["unchanged", "unchanged"], ["exported", "exported"],
      ["deadLettered", "dead letters"], ["stored", "records stored"], ["retried", "records retried"],
    ],
    inAll: (total) => `${number(total)} in all`,
    inFlight: "events in flight",
    waiting: "exports waiting",
    disk: "disk of the stores",
    of: (value, limit) => `${bytes(value)} of ${bytes(limit)}`,
    free: (free, size, stores) => `${bytes(free)} of ${bytes(size)} free; stores take ${bytes(stores)}`,
  },
  hour: {
    // In the order in which they are drawn, one over the other.
    series: [["received", "received"], ["exported", "exported"], ["stored", "records stored"], ["deadLettered", "dead letters"]],
    unit: "per second",
    minute: "minute, UTC",
    now: "now:",
    at: (ms) => `at ${clock(ms)}:`,
    mean: (everyS) => `Of all workers; means of ${age(everyS)} each. Times are UTC.`,
    none: (everyS) => `There is nothing to be drawn yet: each point is the mean of ${age(everyS)}.`,
    unheard: (points) => `The service does not say what flows; ${points.length ? `this ends at ${clock(points[points.length - 1].atMs)}, and ` : ""}it is asked again.`,
    summary(points) {
      const last = points[points.length - 1];
      const told = WORDS.hour.series.map(([key, name]) => {
        const most = points.reduce((one, other) => (other[key] > one[key] ? other : one));
        return `${name}: ${rate(last[key])} now, at most ${rate(most[key])}${most[key] > 0 ? ` at ${clock(most.atMs)}` : ""}`;
      });
      return `Rates of the last ${age((last.atMs - points[0].atMs) / 1000)}. ${told.join("; ")}.`;
    },
  },
  workers: {
    stalled: "stalled",
    ready: "ready",
    notReady: "not ready",
    none: "none answers",
    headings: ["worker", "state", "#CPU", "#busy", "#held back", "#idle", "#in flight", "#calls", "#up for", "#restarts"],
  },
  partitions: {
    restoring: (done) => `restoring ${share(done)} `,
    bar: "restored",
    givenUp: "given up",
    open: (records, seconds) => `an open transaction keeps ${number(records)} back, for ${age(seconds)}`,
    restored: "restored",
    none: "none is assigned",
    headings: ["partition", "worker", "state", "#lag", "#age", "#next offset"],
  },
  shards: {
    all: "all (shards unknown)",
    takesNothing: "takes nothing",
    throttles: "throttles",
    fine: "fine",
    limit(least, most, isShared) {
      const span = rate(least) === rate(most) ? rate(most) : `${number(least)} to ${rate(most)}`;
      return isShared ? `${span} each` : span;
    },
    none: "not connected yet",
    headings: ["shard", "state", "#records", "#limit of a worker", "#throttled", "#throttled in all", "#waiting"],
  },
  governance: {
    summary: (actions, enforcement, consent) =>
      `Marketing actions: ${actions.join(", ") || "none"}. Enforcement: ${enforcement}. Consent policies: ${consent.join(", ") || "none"}.`,
    removed: "removed",
    exported: "exported",
    by: (policy, action) => `${policy} (${action})`,
    none: "nothing is mapped",
    headings: ["name", "item", "labels", "outcome", "policy (marketing action)"],
  },
  errors: { from: (atMs, worker) => `${second(atMs)} worker ${worker} ` },
  state: {
    connecting: "connecting",
    unreachable: "unreachable",
    ready: "ready",
    stalled: "stalled",
    notReady: "not ready",
    live: "live",
    nothingYet: "nothing heard yet",
    silent: (seconds, since) => `nothing heard for ${age(seconds)}: what stands below was so at ${since}`,
  },
};
