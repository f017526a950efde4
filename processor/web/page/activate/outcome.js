// What governance makes of an item, as a cell: in words, and in colour beside them.

import { WORDS } from "../words/activate.js";

const TEXTS = WORDS.governance;

// What is not chosen yet is told what would become of it.
export function outcomeCell(outcome, { isBlocking, isChosen }) {
  if (!outcome) return { text: TEXTS.asking, kind: "quiet" };
  const { removedBy } = outcome;
  if (!removedBy) return isChosen ? { text: TEXTS.exported, kind: "good" } : { text: TEXTS.allowed, kind: "quiet" };
  return { text: TEXTS[isBlocking ? "blocked" : isChosen ? "removed" : "forbidden"](removedBy), kind: "bad text" };
}
