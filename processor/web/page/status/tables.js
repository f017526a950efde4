// Workers, partitions and shards, a row each.

import { at, fill } from "../elements.js";
import { age, bytes, number, rate, share } from "../formats.js";
import { WORDS } from "../words/status.js";

const OPEN_SHOWN_S = 5; // producers of transactions have one open most of the time, for a moment each

export function showWorkers(status) {
  const texts = WORDS.workers;
  const rows = status.workers.map((worker) => ({
    key: worker.worker,
    cells: [
      String(worker.worker),
      { text: worker.stalled ? texts.stalled : worker.isReady ? texts.ready : texts.notReady, kind: worker.isReady && !worker.stalled ? "good" : "bad" },
      share(worker.rates.cpu || 0), share(worker.flow.busy), share(worker.flow.backpressured), share(worker.flow.idle),
      number(worker.flow.inFlight), number(worker.flow.requestsInFlight),
      age(worker.at - worker.startedAt), number(status.restarts[worker.worker] || 0),
    ],
  }));
  for (const [index, why] of Object.entries(status.silent)) {
    rows.push({ key: index, cells: [index, { text: why, kind: "bad" }, "", "", "", "", "", "", "", number(status.restarts[index] || 0)] });
  }
  rows.sort((a, b) => a.key - b.key);
  fill(at("workers"), texts.headings, rows, texts.none);
}

export function showPartitions(workers) {
  const rows = workers.flatMap((worker) => worker.partitions.map((each) => (
    { key: `${each.partition} ${worker.worker}`, partition: each.partition, cells: partitionCells(each, worker.worker) })));
  rows.sort((a, b) => a.partition - b.partition);
  fill(at("partitions"), WORDS.partitions.headings, rows, WORDS.partitions.none);
}

function partitionCells(each, worker) {
  const texts = WORDS.partitions;
  const names = [String(each.partition), String(worker)];
  const lag = each.lagRecords === null ? WORDS.unknown : number(each.lagRecords);
  if (!each.isRestored) {
    const done = each.restoreGoal ? each.restored / each.restoreGoal : 0;
    return [...names, { text: texts.restoring(done), kind: "warn", bar: done, barName: texts.bar }, lag, "", ""];
  }
  if (each.nextOffset === null) return [...names, { text: texts.givenUp, kind: "warn" }, "", "", ""];
  const state = each.openS >= OPEN_SHOWN_S
    ? { text: texts.open(each.openRecords, each.openS), kind: "warn text" }
    : { text: texts.restored, kind: "good" };
  return [...names, state, lag, each.lagS === null ? WORDS.unknown : age(each.lagS), number(each.nextOffset)];
}

export function showShards(workers) {
  const texts = WORDS.shards;
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
      name || texts.all,
      all.dead ? { text: texts.takesNothing, kind: "bad" } : all.throttled > 0 ? { text: texts.throttles, kind: "warn" } : { text: texts.fine, kind: "good" },
      rate(all.records), name ? limitOf(all.limits) : WORDS.none, rate(all.throttled), number(all.total), bytes(all.buffered),
    ],
  }));
  fill(at("shards"), texts.headings, rows, texts.none);
}

// Each worker finds by itself what it may give a shard: the limits of several are no sum.
function limitOf(limits) {
  return WORDS.shards.limit(Math.min(...limits), Math.max(...limits), limits.length > 1);
}
