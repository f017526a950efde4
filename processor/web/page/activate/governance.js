// What governance makes of each choice before it is made, by the service's own word.

import { segmentKey } from "./names.js";

const WAIT_MS = 250;
const LABEL_SETS_MAX = 12;

// `ask({segments, attributes})` returns the outcomes of these, in order, as the service has them.
// `look(draft, kind, candidates)` has them asked for anew, soon; `onNews` is told when something is known, or why it is not.
export function governanceBy(ask, wait = (after) => new Promise((done) => { setTimeout(done, after); })) {
  const outcomes = { segment: new Map(), attribute: new Map() };
  const listeners = new Set();
  let failure = null;
  let turn = 0;
  let enforcement = null;

  async function look(draft, kind, candidates) {
    turn += 1;
    const mine = turn;
    await wait(WAIT_MS);
    if (mine !== turn) return;
    try {
      const found = await lookedAt(ask, draft, kind, candidates, () => mine === turn);
      if (mine !== turn) return;
      for (const item of found.items) outcomes[item.kind]?.set(item.key, item);
      ({ enforcement } = found);
      failure = null;
    } catch (error) {
      if (mine !== turn) return;
      failure = error;
    }
    listeners.forEach((listener) => listener());
  }

  return {
    look,
    of: (kind, key) => outcomes[kind].get(key),
    failure: () => failure,
    isBlocking: () => enforcement === "block",
    onNews(listener) { listeners.add(listener); },
  };
}

// Items are gone through in order, and the labels of what is kept count for what comes after: so what is chosen is asked for by
// itself, and each candidate as the next to be chosen. Candidates with the same labels have the same outcome.
async function lookedAt(ask, draft, kind, candidates, isWanted) {
  const chosen = { segments: draft.chosen("segments"), attributes: draft.chosen("attributes") };
  const isChosen = new Set(chosen[kind].map(({ key }) => key));
  const others = candidates.filter(({ key }) => !isChosen.has(key));
  const exact = await asked(ask, chosen);
  if (!others.length || !isWanted()) return exact;
  const before = kind === "segments" ? { segments: chosen.segments, attributes: [] } : chosen;
  const together = await asked(ask, { ...before, [kind]: [...chosen[kind], ...others] });
  const found = together.items.filter((item) => item.kind === kind.slice(0, -1) && !isChosen.has(item.key));
  const byLabels = new Map();
  for (const item of found) {
    if (!item.removedBy) continue;
    const labels = JSON.stringify([...item.labels].sort());
    byLabels.set(labels, [...(byLabels.get(labels) || []), item]);
  }
  const byKey = new Map(others.map((each) => [each.key, each]));
  for (const items of [...byLabels.values()].slice(0, LABEL_SETS_MAX)) {
    if (!isWanted()) break;
    const [first] = items;
    const alone = await asked(ask, { ...before, [kind]: [...chosen[kind], byKey.get(first.key)] });
    const outcome = alone.items.find((item) => item.kind === first.kind && item.key === first.key);
    for (const item of items) item.removedBy = outcome.removedBy;
  }
  return { ...exact, items: [...found, ...exact.items] };
}

async function asked(ask, { segments, attributes }) {
  const answer = await ask({
    segments: segments.map(({ namespace, id }) => ({ namespace, id })),
    attributes: attributes.map(({ path }) => path),
  });
  return { ...answer, items: answer.items.map((item) => ({ ...item, key: keyOf(item) })) };
}

export const keyOf = ({ kind, name, namespace }) => (kind === "segment" ? segmentKey({ namespace, id: name }) : name);
