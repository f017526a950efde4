// What flows, how far behind it is, and what is full.

import { at, figures, keep, list, made, say } from "../elements.js";
import { age, number, rate, sum } from "../formats.js";
import { WORDS } from "../words/status.js";

const ALARMING = 0.05; // of all events, as the alert ProcessorManyDeadLetters has it

export function showLag({ lag }) {
  const texts = WORDS.lag;
  figures(at("lag"), [
    {
      key: "lag", name: texts.lag, value: number(lag.records),
      note: lag.unknownPartitions ? texts.partly(lag.unknownPartitions) : texts.whole,
    },
    { key: "oldest", name: texts.oldest, value: lag.oldestS === null ? WORDS.unknown : age(lag.oldestS), note: texts.oldestNote },
    { key: "p99", name: texts.p99, value: lag.p99S === null ? WORDS.none : age(lag.p99S), note: texts.p99Note },
  ]);
}

export function showLimit(workers) {
  const near = workers.filter((worker) => worker.deadLetterLimit.told);
  at("limit-section").hidden = !near.length;
  list(at("limit"), near.map(({ worker, deadLetterLimit: limit }) => (
    { key: worker, text: WORDS.limit(worker, limit.told), kind: limit.isHeld ? "bad" : "warn" })));
}

export function showFlow(workers) {
  const rates = (name) => sum(workers.map((worker) => worker.rates[name]));
  const totals = (name) => sum(workers.map((worker) => worker.totals[name]));
  figures(at("flow"), WORDS.flow.stages.map(([key, name]) => ({
    key, name, value: rate(rates(key)), note: WORDS.flow.inAll(totals(key)),
    kind: key === "deadLettered" ? deadLetterKind(workers) : "",
  })));
  keep(at("buffers"), buffersOf(workers), ({ key }) => {
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

function deadLetterKind(workers) {
  const rates = (name) => sum(workers.map((worker) => worker.rates[name]));
  const deadLetters = rates("deadLettered");
  if (workers.some((worker) => worker.deadLetterLimit.isHeld) || deadLetters > ALARMING * rates("received")) return "bad";
  return deadLetters > 0 || workers.some((worker) => worker.deadLetterLimit.told) ? "warn" : "";
}

function buffersOf(workers) {
  const flow = (name) => sum(workers.map((worker) => worker.flow[name]));
  const buffers = [
    { key: WORDS.flow.inFlight, value: flow("inFlightBytes"), limit: flow("inFlightLimitBytes") },
    { key: WORDS.flow.waiting, value: flow("bufferedBytes"), limit: flow("bufferLimitBytes") },
  ].map((each) => ({ ...each, text: WORDS.flow.of(each.value, each.limit), kind: "quiet" }));
  const disks = workers.map((worker) => worker.disk).filter(Boolean);
  if (disks.length) {
    const { freeBytes, sizeBytes } = disks[0]; // workers of one process share it
    buffers.push({
      key: WORDS.flow.disk, value: sizeBytes - freeBytes, limit: sizeBytes,
      text: WORDS.flow.free(freeBytes, sizeBytes, sum(disks.map((disk) => disk.storesBytes))),
      kind: freeBytes < sizeBytes / 10 ? "bad" : "quiet",
    });
  }
  return buffers;
}
