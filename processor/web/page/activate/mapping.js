// Whether an item is mapped, and will be, as a cell.

import { WORDS } from "../words/activate.js";

export function mappingCell(draft, kind, key) {
  const [is, will] = [draft.isMapped(kind, key), draft.isChosen(kind, key)];
  if (is && will) return { text: WORDS.mapping.mapped, kind: "quiet" };
  if (will) return { text: WORDS.mapping.toMap, kind: "good" };
  return is ? { text: WORDS.mapping.toUnmap, kind: "warn" } : { text: WORDS.mapping.not };
}
