// How far the backfill is that the last change has brought about, where there is one to tell of.

import { list, made, say } from "../elements.js";
import { onStatus } from "../events.js";
import { backfillNotes } from "../status/backfill.js";
import { WORDS } from "../words/destination.js";
import { WORDS as STATUS } from "../words/status.js";

export function progressOf() {
  const element = made("section");
  const [heading, bar, words, notes, more] = [
    made("h3", WORDS.backfill.heading), made("progress"), made("p"), made("ul", undefined, "notes"), made("a", WORDS.backfill.status)];
  heading.id = "destination-backfill";
  element.setAttribute("aria-labelledby", heading.id);
  bar.setAttribute("aria-label", WORDS.backfill.bar);
  more.href = "#status";
  element.append(heading, bar, words, notes, more);
  element.hidden = true;

  function show({ backfill }) {
    element.hidden = !backfill;
    if (!backfill) return;
    const { off, waiting, running } = backfill.partitions;
    const isDueOnly = Boolean(off && !waiting && !running);
    bar.hidden = isDueOnly;
    bar.value = backfill.share;
    say(words, STATUS.backfill.words(backfill), isDueOnly ? "warn" : "");
    list(notes, backfillNotes(backfill));
  }

  return { element, begin: () => onStatus(show) };
}
