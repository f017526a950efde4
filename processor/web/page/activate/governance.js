// What governance makes of each choice before it is made, by the service's own word.

import { segmentKey } from "../names.js";

const WAIT_MS = 250; // choices come in rows; the last of them is asked about

// `ask(choices)` returns what would become of items, as POST /processor/outcomes answers. `look(draft, candidates)` has it asked anew,
// soon: `candidates` are {segments, attributes}, each as if it alone were added to what is chosen. `onNews` is told when something is known, or
// why it is not.
export function governanceBy(ask) {
  const outcomes = new Map();
  const listeners = new Set();
  let failure = null;
  let isBlocking = false;
  let turn = 0;

  async function look(draft, candidates) {
    turn += 1;
    const mine = turn;
    await new Promise((done) => { setTimeout(done, WAIT_MS); });
    if (mine !== turn) return;
    let found = null;
    let why = null;
    try {
      found = await ask({ ...asChoices(candidates), beside: asChoices({ segments: draft.chosen("segments"), attributes: draft.chosen("attributes") }) });
    } catch (error) {
      why = error;
    }
    if (mine !== turn) return;
    failure = why;
    if (found) {
      isBlocking = found.enforcement === "block";
      for (const item of found.items) outcomes.set(`${item.kind} ${keyOf(item)}`, item);
    }
    listeners.forEach((listener) => listener());
  }

  return {
    look,
    // What becomes of a segment or an attribute; undefined where that was not asked yet.
    of: (kind, key) => outcomes.get(`${kind} ${key}`),
    failure: () => failure,
    isBlocking: () => isBlocking,
    onNews(listener) { listeners.add(listener); },
  };
}

const asChoices = ({ segments, attributes }) => ({
  segments: segments.map(({ namespace, id }) => ({ namespace, id })),
  attributes: attributes.map(({ path }) => path),
});

// The key of an item that the service tells of.
export const keyOf = ({ kind, name, namespace }) => (kind === "segment" ? segmentKey({ namespace, id: name }) : name);
