"use strict";

const at = (id) => document.getElementById(id);
const STALE_AFTER_MS = 10000;
let heardAt = 0;

// Texts are only ever set as texts: nothing that a worker tells can become markup.
function made(tag, text, className) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
}

const number = (value, digits = 0) =>
  value.toLocaleString("en", { maximumFractionDigits: digits });
const rate = (value) => `${number(value, value < 10 ? 1 : 0)}/s`;
const share = (value) => `${Math.round(value * 100)} %`;

function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) { value /= 1024; unit += 1; }
  return `${number(value, unit ? 1 : 0)} ${units[unit]}`;
}

function age(seconds) {
  if (seconds < 120) return `${number(seconds, seconds < 10 ? 1 : 0)} s`;
  if (seconds < 7200) return `${number(seconds / 60)} min`;
  if (seconds < 172800) return `${number(seconds / 3600)} h`;
  return `${number(seconds / 86400)} days`;
}

const sum = (values) => values.reduce((total, value) => total + (value || 0), 0);

// A row is a list of cells; a cell is a text, or {text, kind, bar}.
function fill(table, headings, rows, empty) {
  const head = made("tr");
  for (const heading of headings) head.append(made("th", heading.replace("#", ""), heading.startsWith("#") ? "number" : ""));
  const lines = rows.map((cells) => {
    const line = made("tr");
    cells.forEach((cell, index) => {
      const told = typeof cell === "object" && cell !== null ? cell : { text: cell };
      const place = made("td", told.text, [headings[index].startsWith("#") ? "number" : "", told.kind || ""].join(" ").trim());
      if (told.bar !== undefined) {
        const bar = made("progress");
        bar.value = told.bar;
        place.append(bar);
      }
      line.append(place);
    });
    return line;
  });
  if (!lines.length) {
    const place = made("td", empty, "quiet");
    place.colSpan = headings.length;
    const line = made("tr");
    line.append(place);
    lines.push(line);
  }
  table.replaceChildren(head, ...lines);
}

function showLag({ lag }) {
  const unknown = lag.unknownPartitions ? `${number(lag.unknownPartitions)} partitions not known yet` : "events to take, of all partitions";
  const figures = [
    ["lag", number(lag.records), unknown],
    ["oldest", lag.oldestS === null ? "unknown" : age(lag.oldestS), "since the oldest of them was made"],
    ["event to acknowledgement, p99", lag.p99S === null ? "none" : age(lag.p99S), "of the last minute"],
  ];
  at("lag").replaceChildren(...figures.map(([name, value, told]) => {
    const figure = made("li", name);
    figure.append(made("b", value), made("span", told, "quiet"));
    return figure;
  }));
}

const ALARMING = 0.05; // of all events, as the alert ProcessorManyDeadLetters has it

function deadLetterKind(workers) {
  const rates = (name) => sum(workers.map((worker) => worker.rates[name]));
  const letters = rates("deadLettered");
  if (workers.some((worker) => worker.deadLetterLimit.isHeld) || letters > ALARMING * rates("received")) return "bad";
  return letters > 0 || workers.some((worker) => worker.deadLetterLimit.told) ? "warn" : "";
}

function showLimit(workers) {
  const told = workers.filter((worker) => worker.deadLetterLimit.told);
  at("limit-section").hidden = !told.length;
  at("limit").replaceChildren(...told.map((worker) =>
    made("li", `worker ${worker.worker}: ${worker.deadLetterLimit.told}`, worker.deadLetterLimit.isHeld ? "bad" : "warn")));
}

function showFlow(workers) {
  const rates = (name) => sum(workers.map((worker) => worker.rates[name]));
  const totals = (name) => sum(workers.map((worker) => worker.totals[name]));
  const stages = [
    ["received", "received"], ["unchanged", "unchanged"], ["exported", "exported"],
    ["deadLettered", "dead letters"], ["stored", "records stored"], ["retried", "records retried"],
  ];
  at("flow").replaceChildren(...stages.map(([name, told]) => {
    const stage = made("li", told);
    if (name === "deadLettered") stage.className = deadLetterKind(workers);
    stage.append(made("b", rate(rates(name))), made("span", `${number(totals(name))} in all`, "quiet"));
    return stage;
  }));
  const flow = (name) => sum(workers.map((worker) => worker.flow[name]));
  const buffers = [
    ["events in flight", flow("inFlightBytes"), flow("inFlightLimitBytes")],
    ["exports waiting", flow("bufferedBytes"), flow("bufferLimitBytes")],
  ];
  const disks = workers.map((worker) => worker.disk).filter(Boolean);
  if (disks.length) {
    const { freeBytes, sizeBytes } = disks[0]; // workers of one process share it
    const used = sizeBytes - freeBytes;
    buffers.push(["disk of the stores", used, sizeBytes, `stores take ${bytes(sum(disks.map((disk) => disk.storesBytes)))}; ${bytes(freeBytes)} of ${bytes(sizeBytes)} free`, freeBytes < sizeBytes / 10 ? "bad" : "quiet"]);
  }
  at("buffers").replaceChildren(...buffers.map(([told, value, limit, text, kind]) => {
    const label = made("label", told);
    const bar = made("progress");
    bar.max = limit || 1;
    bar.value = value;
    label.append(bar, made("span", text || `${bytes(value)} of ${bytes(limit)}`, kind || "quiet"));
    return label;
  }));
}

function showWorkers(status) {
  const rows = status.workers.map((worker) => [
    String(worker.worker),
    { text: worker.stalled ? "stalled" : worker.isReady ? "ready" : "not ready", kind: worker.isReady && !worker.stalled ? "good" : "bad" },
    share(worker.flow.busy), share(worker.flow.backpressured), share(worker.flow.idle),
    number(worker.flow.inFlight), number(worker.flow.requestsInFlight),
    age(worker.at - worker.startedAt), number(status.restarts[worker.worker] || 0),
  ]);
  for (const [index, why] of Object.entries(status.silent)) {
    rows.push([index, { text: why, kind: "bad" }, "", "", "", "", "", "", number(status.restarts[index] || 0)]);
  }
  fill(at("workers"), ["worker", "state", "#busy", "#held back", "#idle", "#in flight", "#calls", "#up for", "#restarts"], rows, "none answers");
}

// Producers of transactions have one open most of the time, for a moment each.
const OPEN_SHOWN_S = 5;

function showPartitions(workers) {
  const rows = workers.flatMap((worker) => worker.partitions.map((each) => {
    if (!each.isRestored) {
      const goal = each.restoreGoal || 0;
      const done = goal ? each.restored / goal : 0;
      return [String(each.partition), String(worker.worker), { text: `restoring ${share(done)} `, kind: "warn", bar: done }, each.lagRecords === null ? "unknown" : number(each.lagRecords), "", ""];
    }
    if (each.nextOffset === null) return [String(each.partition), String(worker.worker), { text: "given up", kind: "warn" }, "", "", ""];
    const state = each.openS >= OPEN_SHOWN_S
      ? { text: `an open transaction keeps ${number(each.openRecords)} back, for ${age(each.openS)}`, kind: "warn" }
      : { text: "restored", kind: "good" };
    const lag = each.lagRecords === null ? "unknown" : number(each.lagRecords);
    return [String(each.partition), String(worker.worker), state, lag, each.lagS === null ? "unknown" : age(each.lagS), number(each.nextOffset)];
  }));
  rows.sort((a, b) => a[0] - b[0]);
  fill(at("partitions"), ["partition", "worker", "state", "#lag", "#age", "#next offset"], rows, "none is assigned");
}

function showShards(workers) {
  const shards = new Map();
  for (const shard of workers.flatMap((worker) => worker.shards)) {
    const all = shards.get(shard.shard) || { records: 0, throttled: 0, total: 0, limit: 0, buffered: 0, dead: false };
    all.records += shard.recordsPerS;
    all.throttled += shard.throttledPerS;
    all.total += shard.throttled;
    all.limit += shard.limitRecordsPerS;
    all.buffered += shard.bufferedBytes;
    all.dead = all.dead || shard.takesNothing;
    shards.set(shard.shard, all);
  }
  const rows = [...shards].sort((a, b) => (a[0] < b[0] ? -1 : 1)).map(([name, all]) => [
    name || "all (shards unknown)",
    all.dead ? { text: "takes nothing", kind: "bad" } : all.throttled > 0 ? { text: "throttles", kind: "warn" } : { text: "fine", kind: "good" },
    rate(all.records), name ? rate(all.limit) : "none", rate(all.throttled), number(all.total), bytes(all.buffered),
  ]);
  fill(at("shards"), ["shard", "state", "#records", "#limit", "#throttled", "#in all", "#waiting"], rows, "not connected yet");
}

function showGovernance(workers) {
  const first = workers[0];
  const destination = first.destination;
  const consent = destination.consentPolicies.length ? destination.consentPolicies.join(", ") : "none";
  at("governance").textContent =
    `Marketing actions: ${destination.marketingActions.join(", ") || "none"}. Enforcement: ${destination.enforcement}. Consent policies: ${consent}.`;
  const rows = destination.items.map((item) => [
    item.kind, { text: item.name, kind: "text" }, item.labels.join(", "),
    item.removedBy ? { text: "removed", kind: "bad" } : { text: "exported", kind: "good" },
    item.removedBy ? { text: `${item.removedBy} (${item.action})`, kind: "text" } : "",
  ]);
  fill(at("items"), ["item", "name", "labels", "", "policy (marketing action)"], rows, "nothing is mapped");
  const problems = [...new Set(workers.flatMap((worker) => worker.destination.problems))];
  at("reload-section").hidden = !problems.length;
  at("reload").replaceChildren(...problems.map((problem) => made("li", problem)));
}

function showErrors(workers) {
  const entries = workers.flatMap((worker) => worker.errors.map((entry) => ({ ...entry, worker: worker.worker })));
  entries.sort((a, b) => b.at - a.at);
  const lines = entries.slice(0, 30).map((entry) => {
    const line = made("li", undefined, entry.level === "warning" ? "warn" : "bad");
    const fields = Object.entries(entry.fields).filter(([name]) => name !== "worker").map(([name, value]) => `${name}=${value}`).join(" ");
    line.append(
      made("span", `${new Date(entry.at * 1000).toISOString().slice(0, 19)}Z worker ${entry.worker} `, "quiet"),
      made("strong", entry.event), made("span", ` ${fields}`, "quiet"),
    );
    return line;
  });
  at("errors").replaceChildren(...(lines.length ? lines : [made("li", "none", "quiet")]));
}

function show(status) {
  heardAt = Date.now();
  const workers = status.workers;
  at("state").textContent = !status.live ? "stalled" : status.ready ? "ready" : "not ready";
  at("state").className = `state ${status.live && status.ready ? "good" : "bad"}`;
  const reasons = Object.entries(status.reasons);
  at("reasons-section").hidden = !reasons.length;
  at("reasons").replaceChildren(...reasons.flatMap(([what, why]) => [made("dt", what), made("dd", why)]));
  showLag(status);
  showLimit(workers);
  showWorkers(status);
  showPartitions(workers);
  showShards(workers);
  showErrors(workers);
  if (workers.length) {
    const { destination, topic, group, version } = workers[0];
    document.title = `${status.ready ? "" : "! "}${destination.name}`;
    at("title").textContent = destination.name;
    at("place").textContent = `topic ${topic}, group ${group} → stream ${destination.stream} (${destination.region})`;
    at("version").textContent = `version ${version}`;
    showFlow(workers);
    showGovernance(workers);
  }
  freshness();
}

function freshness() {
  const silentMs = Date.now() - heardAt;
  if (!heardAt) return;
  at("freshness").textContent = silentMs < STALE_AFTER_MS ? "live" : `nothing heard for ${age(silentMs / 1000)}`;
  at("freshness").className = silentMs < STALE_AFTER_MS ? "quiet" : "bad";
}

const source = new EventSource("api/events");
source.onmessage = (event) => show(JSON.parse(event.data));
setInterval(freshness, 1000);
