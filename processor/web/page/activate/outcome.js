// What governance makes of an item, as a cell: in words, and in colour beside them.

import { WORDS } from "../words/activate.js";

const TEXTS = WORDS.governance;

export function outcomeCell(outcome, isBlocking) {
  if (!outcome) return { text: TEXTS.asking, kind: "quiet" };
  if (!outcome.removedBy) return { text: TEXTS.exported, kind: "good" };
  return { text: (isBlocking ? TEXTS.blocked : TEXTS.removed)(outcome.removedBy), kind: "bad" };
}
