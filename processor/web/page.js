"use strict";

const at = (id) => document.getElementById(id);
const STALE_AFTER_MS = 10000; // five times the pace at which the service reports
const CONNECT_AGAIN_MS = 3000;
const ALARMING = 0.05; // of all events, as the alert ProcessorManyDeadLetters has it
const OPEN_SHOWN_S = 5; // producers of transactions have one open most of the time, for a moment each
const ERRORS_SHOWN = 30;
const ICONS = { good: "icon.svg", bad: "icon-unready.svg", unknown: "icon-unknown.svg" };
const MARKS = { good: "", bad: "✗ ", unknown: "? " };

let heardAt = 0;
let isConnected = false;
let last = null; // what the service reported last

// Texts are only ever set as texts: nothing that a worker reports can become markup.
function made(tag, text, className) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
}

// What is the same is left alone, so that a text that somebody has selected stays selected.
function say(element, text, className) {
  if (element.textContent !== text) element.textContent = text;
  if (className !== undefined && element.className !== className) element.className = className;
}

// The children of `parent`, one for each item, in place: `make` makes one for an item, `update` has it show the item.
function keep(parent, items, make, update) {
  const kept = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  const wanted = new Set(items.map((item) => String(item.key)));
  for (const [key, child] of kept) if (!wanted.has(key)) child.remove();
  items.forEach((item, place) => {
    let child = kept.get(String(item.key));
    if (!child) {
      child = make(item);
      child.dataset.key = String(item.key);
    }
    if (parent.children[place] !== child) parent.insertBefore(child, parent.children[place] || null);
    update(child, item);
  });
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
const asObject = (cell) => (typeof cell === "object" && cell !== null ? cell : { text: cell });

// A table's rows in place. A heading that begins with # is of numbers; a row is {key, cells}, whose first cell names it;
// a cell is a text, or {text, kind, bar, barName}.
function fill(table, headings, rows, empty) {
  if (!table.tHead) {
    const line = table.createTHead().insertRow();
    for (const heading of headings) {
      const place = made("th", heading.replace("#", ""), heading.startsWith("#") ? "number" : "");
      place.scope = "col";
      line.append(place);
    }
    table.createTBody();
    // Stacked on a narrow screen a table is no table any more to some readers, unless it says so.
    for (const [element, role] of [[table, "table"], [line, "row"], ...[...line.cells].map((place) => [place, "columnheader"])]) {
      element.setAttribute("role", role);
    }
  }
  const shown = rows.length ? rows : [{ key: "", cells: null }];
  keep(table.tBodies[0], shown, (row) => newRow(row, headings), (line, row) => {
    if (row.cells === null) say(line.cells[0], empty, "quiet");
    else row.cells.forEach((cell, index) => setCell(line.cells[index], asObject(cell), headings[index]));
  });
}

function newRow(row, headings) {
  const line = made("tr");
  line.setAttribute("role", "row");
  if (row.cells === null) {
    const place = made("td");
    place.colSpan = headings.length;
    place.setAttribute("role", "cell");
    line.append(place);
    return line;
  }
  headings.forEach((heading, index) => {
    const place = made(index ? "td" : "th");
    if (!index) place.scope = "row";
    place.setAttribute("role", index ? "cell" : "rowheader");
    place.dataset.heading = heading.replace("#", "");
    place.append(made("span"));
    line.append(place);
  });
  return line;
}

function setCell(place, cell, heading) {
  const className = [heading.startsWith("#") ? "number" : "", cell.kind || "", cell.text === "" ? "empty" : ""].filter(Boolean).join(" ");
  if (place.className !== className) place.className = className;
  say(place.firstChild, String(cell.text));
  let bar = place.querySelector("progress");
  if (cell.bar === undefined) {
    if (bar) bar.remove();
    return;
  }
  if (!bar) {
    bar = made("progress");
    bar.setAttribute("aria-label", cell.barName);
    place.append(bar);
  }
  bar.value = cell.bar;
}

// Figures in a row: {key, name, value, note, kind}.
function figures(list, items) {
  keep(list, items, (item) => {
    const figure = made("li", item.name);
    figure.append(made("b"), made("span", "", "quiet"));
    return figure;
  }, (figure, item) => {
    if (figure.className !== (item.kind || "")) figure.className = item.kind || "";
    say(figure.children[0], item.value);
    say(figure.children[1], item.note);
  });
}

function showLag({ lag }) {
  figures(at("lag"), [
    {
      key: "lag", name: "lag", value: number(lag.records),
      note: lag.unknownPartitions ? `and what ${number(lag.unknownPartitions)} partitions have, not known yet` : "events to take, of all partitions",
    },
    { key: "oldest", name: "oldest", value: lag.oldestS === null ? "unknown" : age(lag.oldestS), note: "since the oldest of them was made" },
    { key: "p99", name: "event to acknowledgement, p99", value: lag.p99S === null ? "none" : age(lag.p99S), note: "of the last minute" },
  ]);
}

function deadLetterKind(workers) {
  const rates = (name) => sum(workers.map((worker) => worker.rates[name]));
  const deadLetters = rates("deadLettered");
  if (workers.some((worker) => worker.deadLetterLimit.isHeld) || deadLetters > ALARMING * rates("received")) return "bad";
  return deadLetters > 0 || workers.some((worker) => worker.deadLetterLimit.told) ? "warn" : "";
}

const list = (place, items) => keep(place, items, () => made("li"), (line, item) => say(line, item.text, item.kind || ""));

function showLimit(workers) {
  const near = workers.filter((worker) => worker.deadLetterLimit.told);
  at("limit-section").hidden = !near.length;
  list(at("limit"), near.map(({ worker, deadLetterLimit: limit }) => (
    { key: worker, text: `worker ${worker}: ${limit.told}`, kind: limit.isHeld ? "bad" : "warn" })));
}

const counted = (count, one, several) => `${number(count)} ${count === 1 ? one : several}`;
const inPartitions = (count) => counted(count, "partition", "partitions");

function backfillWords({ partitions, share: done, leftS }) {
  const { off, waiting, running, complete } = partitions;
  if (!waiting && !running) return off ? `due in ${inPartitions(off)}, and not begun` : `complete in ${inPartitions(complete)}`;
  if (!running && !complete) return `waits for live events: ${inPartitions(waiting)}`;
  const left = leftS === null ? "how long it takes is not known yet" : leftS < 1 ? "almost done" : `about ${age(leftS)} left`;
  return `${share(done)}: ${number(complete)} of ${inPartitions(waiting + running + complete)} done, ${left}`;
}

const short = (fingerprint) => (fingerprint ? fingerprint.slice(0, 8) : "one that is not known");

function backfillNotes({ partitions, causes, refused, unmet, sourceFromMs }) {
  const isOff = partitions.off && !partitions.waiting && !partitions.running;
  const tense = partitions.waiting || partitions.running ? "is" : isOff ? "is to be" : "was";
  const looked = `every profile's latest event ${tense} looked at once more`;
  const notes = causes.map(({ fingerprint, former, request }) => ({
    key: `cause ${fingerprint} ${former} ${request}`,
    text: request === null
      ? `The configuration has changed, from ${short(former)} to ${short(fingerprint)}: ${looked}.`
      : `It was asked for (${request}): ${looked}, under configuration ${short(fingerprint)}.`,
  }));
  if (partitions.off) {
    notes.push({
      key: "off", kind: "warn",
      text: "PROCESSOR_BACKFILL=off: none begins by itself. Until one does, profiles without a new event stay at the destination as they are. "
        + "Type “processor backfill” where Kafka is reached to begin it, “processor backfill --dry-run” to see what it would export.",
    });
  }
  const reasons = Object.entries(refused).sort();
  if (reasons.length) {
    const all = counted(sum(reasons.map(([, count]) => count)), "profile stays as it is, for its latest event is", "profiles stay as they are, for their latest events are");
    notes.push({ key: "refused", kind: "warn", text: `${all} refused now: ${reasons.map(([reason, count]) => `${reason} ${number(count)}`).join(", ")}.` });
  }
  if (unmet) {
    const all = counted(unmet, "profile that was exported has no event in the source any more, and stays as it is", "profiles that were exported have no event in the source any more, and stay as they are");
    const from = new Date(sourceFromMs);
    const begins = sourceFromMs === null || Number.isNaN(from.getTime()) ? "" : ` The source begins at ${from.toISOString().slice(0, 19)}Z.`;
    notes.push({ key: "unmet", kind: "warn", text: `${all}.${begins}` });
  }
  return notes;
}

const BACKFILL_STATES = { off: { text: "due", kind: "warn" }, waiting: { text: "waits" }, complete: { text: "complete", kind: "good" } };

function showBackfill({ backfill, workers }) {
  at("backfill-section").hidden = !backfill;
  if (!backfill) return;
  const { off, waiting, running } = backfill.partitions;
  const isDueOnly = off && !waiting && !running;
  at("backfill-bar").hidden = isDueOnly;
  at("backfill-bar").value = backfill.share;
  say(at("backfill-words"), backfillWords(backfill), isDueOnly ? "warn" : "");
  const pace = (name) => (running ? rate(sum(workers.map((worker) => worker.rates[name]))) : "in all");
  figures(at("backfill-figures"), isDueOnly ? [] : [
    { key: "read", name: "events read again", value: number(backfill.events), note: pace("backfillRead") },
    { key: "profiles", name: "profiles looked at", value: number(backfill.profiles), note: pace("backfillProfiles") },
    { key: "exported", name: "exported", value: number(backfill.exported), note: pace("backfillExported") },
  ]);
  list(at("backfill-notes"), backfillNotes(backfill));
  const rows = workers.flatMap((worker) => worker.backfills.map((each) => ({
    key: `${each.partition} ${worker.worker}`,
    partition: each.partition,
    cells: [
      String(each.partition), String(worker.worker),
      BACKFILL_STATES[each.stage] || { text: `${share(each.share)} `, kind: "", bar: each.share, barName: "read" },
      each.offsets === null ? "" : number(each.events), each.offsets === null ? "" : number(each.profiles),
      each.offsets === null ? "" : number(each.exported), each.offsets === null ? "" : number(sum(Object.values(each.refused))),
    ],
  })));
  rows.sort((a, b) => a.partition - b.partition);
  fill(at("backfills"), ["partition", "worker", "state", "#events read", "#profiles", "#exported", "#refused"], rows, "none");
}

function showFlow(workers) {
  const rates = (name) => sum(workers.map((worker) => worker.rates[name]));
  const totals = (name) => sum(workers.map((worker) => worker.totals[name]));
  const stages = [
    ["received", "received"], ["unchanged", "unchanged"], ["exported", "exported"],
    ["deadLettered", "dead letters"], ["stored", "records stored"], ["retried", "records retried"],
  ];
  figures(at("flow"), stages.map(([key, name]) => ({
    key, name, value: rate(rates(key)), note: `${number(totals(key))} in all`,
    kind: key === "deadLettered" ? deadLetterKind(workers) : "",
  })));
  const flow = (name) => sum(workers.map((worker) => worker.flow[name]));
  const buffers = [
    { key: "events in flight", value: flow("inFlightBytes"), limit: flow("inFlightLimitBytes") },
    { key: "exports waiting", value: flow("bufferedBytes"), limit: flow("bufferLimitBytes") },
  ].map((each) => ({ ...each, text: `${bytes(each.value)} of ${bytes(each.limit)}`, kind: "quiet" }));
  const disks = workers.map((worker) => worker.disk).filter(Boolean);
  if (disks.length) {
    const { freeBytes, sizeBytes } = disks[0]; // workers of one process share it
    buffers.push({
      key: "disk of the stores", value: sizeBytes - freeBytes, limit: sizeBytes,
      text: `${bytes(freeBytes)} of ${bytes(sizeBytes)} free; stores take ${bytes(sum(disks.map((disk) => disk.storesBytes)))}`,
      kind: freeBytes < sizeBytes / 10 ? "bad" : "quiet",
    });
  }
  keep(at("buffers"), buffers, ({ key }) => {
    const label = made("label", key);
    label.append(made("progress"), made("span"));
    return label;
  }, (label, { value, limit, text, kind }) => {
    const [bar, amount] = label.children;
    bar.max = limit || 1;
    bar.value = value;
    say(amount, text, kind);
  });
}

function showWorkers(status) {
  const rows = status.workers.map((worker) => ({
    key: worker.worker,
    cells: [
      String(worker.worker),
      { text: worker.stalled ? "stalled" : worker.isReady ? "ready" : "not ready", kind: worker.isReady && !worker.stalled ? "good" : "bad" },
      share(worker.rates.cpu || 0), share(worker.flow.busy), share(worker.flow.backpressured), share(worker.flow.idle),
      number(worker.flow.inFlight), number(worker.flow.requestsInFlight),
      age(worker.at - worker.startedAt), number(status.restarts[worker.worker] || 0),
    ],
  }));
  for (const [index, why] of Object.entries(status.silent)) {
    rows.push({ key: index, cells: [index, { text: why, kind: "bad" }, "", "", "", "", "", "", "", number(status.restarts[index] || 0)] });
  }
  rows.sort((a, b) => a.key - b.key);
  fill(at("workers"), ["worker", "state", "#CPU", "#busy", "#held back", "#idle", "#in flight", "#calls", "#up for", "#restarts"], rows, "none answers");
}

function partitionCells(each, worker) {
  const names = [String(each.partition), String(worker)];
  const lag = each.lagRecords === null ? "unknown" : number(each.lagRecords);
  if (!each.isRestored) {
    const done = each.restoreGoal ? each.restored / each.restoreGoal : 0;
    return [...names, { text: `restoring ${share(done)} `, kind: "warn", bar: done, barName: "restored" }, lag, "", ""];
  }
  if (each.nextOffset === null) return [...names, { text: "given up", kind: "warn" }, "", "", ""];
  const state = each.openS >= OPEN_SHOWN_S
    ? { text: `an open transaction keeps ${number(each.openRecords)} back, for ${age(each.openS)}`, kind: "warn text" }
    : { text: "restored", kind: "good" };
  return [...names, state, lag, each.lagS === null ? "unknown" : age(each.lagS), number(each.nextOffset)];
}

function showPartitions(workers) {
  const rows = workers.flatMap((worker) => worker.partitions.map((each) => (
    { key: `${each.partition} ${worker.worker}`, partition: each.partition, cells: partitionCells(each, worker.worker) })));
  rows.sort((a, b) => a.partition - b.partition);
  fill(at("partitions"), ["partition", "worker", "state", "#lag", "#age", "#next offset"], rows, "none is assigned");
}

// Each worker finds by itself what it may give a shard: the limits of several are no sum.
function limitOf(limits) {
  const [least, most] = [Math.min(...limits), Math.max(...limits)];
  const span = rate(least) === rate(most) ? rate(most) : `${number(least)} to ${rate(most)}`;
  return limits.length > 1 ? `${span} each` : span;
}

function showShards(workers) {
  const shards = new Map();
  for (const shard of workers.flatMap((worker) => worker.shards)) {
    const all = shards.get(shard.shard) || { records: 0, throttled: 0, total: 0, limits: [], buffered: 0, dead: false };
    all.records += shard.recordsPerS;
    all.throttled += shard.throttledPerS;
    all.total += shard.throttled;
    all.limits.push(shard.limitRecordsPerS);
    all.buffered += shard.bufferedBytes;
    all.dead = all.dead || shard.takesNothing;
    shards.set(shard.shard, all);
  }
  const rows = [...shards].sort((a, b) => (a[0] < b[0] ? -1 : 1)).map(([name, all]) => ({
    key: name,
    cells: [
      name || "all (shards unknown)",
      all.dead ? { text: "takes nothing", kind: "bad" } : all.throttled > 0 ? { text: "throttles", kind: "warn" } : { text: "fine", kind: "good" },
      rate(all.records), name ? limitOf(all.limits) : "none", rate(all.throttled), number(all.total), bytes(all.buffered),
    ],
  }));
  fill(at("shards"), ["shard", "state", "#records", "#limit of a worker", "#throttled", "#throttled in all", "#waiting"], rows, "not connected yet");
}

function showGovernance(workers) {
  const { destination } = workers[0];
  const consent = destination.consentPolicies.length ? destination.consentPolicies.join(", ") : "none";
  say(at("governance"), `Marketing actions: ${destination.marketingActions.join(", ") || "none"}. Enforcement: ${destination.enforcement}. Consent policies: ${consent}.`);
  const rows = destination.items.map((item) => ({
    key: `${item.kind} ${item.name}`,
    cells: [
      { text: item.name, kind: "text" }, item.kind, item.labels.join(", "),
      item.removedBy ? { text: "removed", kind: "bad" } : { text: "exported", kind: "good" },
      item.removedBy ? { text: `${item.removedBy} (${item.action})`, kind: "text" } : "",
    ],
  }));
  fill(at("items"), ["name", "item", "labels", "outcome", "policy (marketing action)"], rows, "nothing is mapped");
  const problems = [...new Set(workers.flatMap((worker) => worker.destination.problems))];
  at("reload-section").hidden = !problems.length;
  list(at("reload"), problems.map((problem) => ({ key: problem, text: problem })));
}

function showErrors(workers) {
  const entries = workers.flatMap((worker) => worker.errors.map((entry) => (
    { ...entry, worker: worker.worker, key: `${worker.worker} ${entry.at} ${entry.event}` })));
  entries.sort((a, b) => b.at - a.at);
  const shown = [...new Map(entries.map((entry) => [entry.key, entry])).values()].slice(0, ERRORS_SHOWN);
  keep(at("errors"), shown.length ? shown : [{ key: "none" }], (entry) => {
    if (!entry.event) return made("li", "none", "quiet");
    const line = made("li", undefined, entry.level === "warning" ? "warn" : "bad");
    const fields = Object.entries(entry.fields).filter(([name]) => name !== "worker").map(([name, value]) => `${name}=${value}`).join(" ");
    line.append(
      made("span", `${new Date(entry.at * 1000).toISOString().slice(0, 19)}Z worker ${entry.worker} `, "quiet"),
      made("strong", entry.event), made("span", ` ${fields}`, "quiet"),
    );
    return line;
  }, () => {});
}

function showReasons({ reasons }) {
  const entries = Object.entries(reasons);
  at("reasons-section").hidden = !entries.length;
  const lines = entries.flatMap(([what, why]) => [
    { key: `what ${what}`, tag: "dt", text: what }, { key: `why ${what}`, tag: "dd", text: why },
  ]);
  keep(at("reasons"), lines, (line) => made(line.tag), (element, line) => say(element, line.text));
}

function showNotice({ notice }) {
  at("notice-section").hidden = !notice;
  say(at("notice"), notice || "");
}

function show(status) {
  last = status;
  const { workers } = status;
  showNotice(status);
  showReasons(status);
  showLag(status);
  showLimit(workers);
  showBackfill(status);
  showWorkers(status);
  showPartitions(workers);
  showShards(workers);
  showErrors(workers);
  // Where no worker is to run, what earlier ones had is no news; where none answers yet, it may be all that is known.
  document.body.classList.toggle("idle", Boolean(status.notice) && !workers.length);
  if (workers.length) {
    const { destination, topic, group, version } = workers[0];
    say(at("title"), destination.name);
    say(at("place"), `topic ${topic}, group ${group} → stream ${destination.stream} (${destination.region})`);
    say(at("version"), `version ${version}`);
    showFlow(workers);
    showGovernance(workers);
  }
}

// What is known of the service now: what it reported last counts for a while, and only while the connection stands.
function freshness() {
  const silentMs = Date.now() - heardAt;
  const isFresh = isConnected && silentMs < STALE_AFTER_MS;
  const state = !isFresh ? "unknown" : last.live && last.ready ? "good" : "bad";
  const words = !last && !heardAt ? "connecting" : { unknown: "unreachable", good: "ready", bad: last && !last.live ? "stalled" : "not ready" }[state];
  say(at("state"), words, `state ${state === "good" ? "good" : "bad"}`);
  if (isFresh) say(at("freshness"), "live", "quiet");
  else if (last) {
    const since = new Date(heardAt).toISOString().slice(11, 19);
    say(at("freshness"), `nothing heard for ${age(Math.round(silentMs / 1000))}: what stands below was so at ${since}Z`, "bad");
  } else say(at("freshness"), "nothing heard yet", "quiet");
  document.body.classList.toggle("stale", !isFresh && last !== null);
  const title = `${MARKS[state]}${at("title").textContent}`;
  if (document.title !== title) document.title = title;
  const icon = document.querySelector("link[rel=icon]");
  if (icon.getAttribute("href") !== ICONS[state]) icon.setAttribute("href", ICONS[state]);
}

function listen() {
  const source = new EventSource("api/events");
  source.onmessage = (event) => {
    heardAt = Date.now();
    isConnected = true;
    show(JSON.parse(event.data));
    freshness();
  };
  source.onerror = () => {
    isConnected = false;
    freshness();
    // A browser connects again by itself, but not where it was refused.
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, CONNECT_AGAIN_MS);
  };
}

listen();
setInterval(freshness, 1000);
