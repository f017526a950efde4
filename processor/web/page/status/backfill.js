// The backfill: how far it is, why it is, and what came of it.

import { at, figures, fill, list, say } from "../elements.js";
import { number, rate, sum } from "../formats.js";
import { WORDS } from "../words/status.js";

const TEXTS = WORDS.backfill;
const KINDS = { off: "warn", waiting: "", complete: "good" };

export function showBackfill({ backfill, workers }) {
  at("backfill-section").hidden = !backfill;
  if (!backfill) return;
  const { off, waiting, running } = backfill.partitions;
  const isDueOnly = off && !waiting && !running;
  at("backfill-bar").hidden = isDueOnly;
  at("backfill-bar").value = backfill.share;
  say(at("backfill-words"), TEXTS.words(backfill), isDueOnly ? "warn" : "");
  const pace = (name) => (running ? rate(sum(workers.map((worker) => worker.rates[name]))) : TEXTS.inAll);
  figures(at("backfill-figures"), isDueOnly ? [] : [
    { key: "read", name: TEXTS.figures.read, value: number(backfill.events), note: pace("backfillRead") },
    { key: "profiles", name: TEXTS.figures.profiles, value: number(backfill.profiles), note: pace("backfillProfiles") },
    { key: "exported", name: TEXTS.figures.exported, value: number(backfill.exported), note: pace("backfillExported") },
  ]);
  list(at("backfill-notes"), backfillNotes(backfill));
  const rows = workers.flatMap((worker) => worker.backfills.map((each) => (
    { key: `${each.partition} ${worker.worker}`, partition: each.partition, cells: cellsOf(each, worker) })));
  rows.sort((a, b) => a.partition - b.partition);
  fill(at("backfills"), TEXTS.headings, rows, WORDS.none);
}

// Why it is, and what it leaves as it is: lines of a list.
export function backfillNotes({ partitions, causes, refused, unmet, sourceFromMs }) {
  const notes = causes.map((cause) => ({
    key: `cause ${cause.fingerprint} ${cause.former} ${cause.request}`, text: TEXTS.cause(cause, partitions),
  }));
  if (partitions.off) notes.push({ key: "off", kind: "warn", text: TEXTS.off });
  const reasons = Object.entries(refused).sort();
  if (reasons.length) {
    notes.push({ key: "refused", kind: "warn", text: TEXTS.refused(sum(reasons.map(([, count]) => count)), reasons) });
  }
  if (unmet) notes.push({ key: "unmet", kind: "warn", text: TEXTS.unmet(unmet, sourceFromMs) });
  return notes;
}

function cellsOf(each, { worker }) {
  const stage = TEXTS.stages[each.stage];
  const state = stage === undefined
    ? { text: TEXTS.running(each.share), kind: "", bar: each.share, barName: TEXTS.bar }
    : { text: stage, kind: KINDS[each.stage] };
  const figure = (value) => (each.offsets === null ? "" : number(value));
  return [
    String(each.partition), String(worker), state, figure(each.events), figure(each.profiles), figure(each.exported),
    figure(sum(Object.values(each.refused))),
  ];
}
