// The one call that keeps what was chosen; and, where somebody else was first, the question what to do.

import { change } from "../calls.js";
import { conflict } from "../conflict.js";
import { FLOW_SERVICE, load } from "../definition.js";
import { lastStatus } from "../events.js";
import { described } from "./described.js";
import { backfillsOf, following } from "./following.js";
import { mappedBy } from "../selectors.js";

const KINDS = ["segments", "attributes"];

export const flowPath = (draft) => `${FLOW_SERVICE}/flows/${encodeURIComponent(draft.flow().id)}`;

// Keep what the draft wants, by one call: {took, was}, with what follows it, and what became of the call. Throws CallFailed.
export async function keepDraft(draft) {
  const before = backfillsOf(lastStatus());
  const took = following(before, expectations(draft));
  const { was } = await change("PATCH", flowPath(draft), draft.patch(), { ifMatch: draft.etag(), wasKept: () => wasKept(draft) });
  return { took, was };
}

// Show how the flow differs by now, and move the draft to it: "again" where it is to be kept on that, "leave" where not, and null where
// there is no flow any more. Throws CallFailed.
export async function differing(draft) {
  const { flow, flowEtag } = await load();
  if (!flow) return null;
  const answer = await conflict({
    had: described(draft.flow()), now: described(flow), wanted: described(flow, draft.wantedOn(flow)),
  });
  draft.moveTo(flow, flowEtag);
  return answer;
}

async function wasKept(draft) {
  const { flow, flowEtag } = await load();
  if (!flow || flowEtag === draft.etag()) return null;
  const is = mappedBy(flow);
  const isAsWanted = KINDS.every((kind) => {
    const chosen = draft.chosen(kind);
    return is[kind].size === chosen.length && chosen.every(({ key }) => is[kind].has(key));
  });
  return isAsWanted ? { body: { id: flow.id, etag: flowEtag }, etag: flowEtag } : null;
}

// What workers have, and have no more, once they follow the change: by the names that the status has of items.
function expectations(draft) {
  const { segments, attributes } = draft.changes();
  const names = (of) => [...segments[of].map(({ key }) => `segment ${key}`), ...attributes[of].map(({ key }) => `attribute ${key}`)];
  const isIdle = !draft.chosen("segments").length || draft.flow().state === "disabled";
  return { mapped: [...names("added"), ...names("kept")], unmapped: names("removed"), isIdle };
}
