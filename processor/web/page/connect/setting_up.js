// The calls of a set-up, one after the other. Each is sent once, and what became of it is told; what is there already is not made
// again, so that a set-up that was broken off goes on where it was.

import { CallFailed, change, read } from "../calls.js";
import {
  areDone, flowBody, listOf, operationsFor, pathOf, platformBody, sourceBody, targetBody, wantedOfFlow, wantedOfTarget,
} from "./objects.js";
import { KEPT } from "../words/shared.js";

const COLLECTIONS = { platform: "connections", source: "sourceConnections", target: "targetConnections", flow: "flows" };

// Make or change what `answers` want ({base, name, description, stream, region, actions}), beside what is `there`, as
// definition.js has read it. `by` is whose token it is. `tell(part, state)` says of each part, as it happens, what becomes of it:
// {name, object, isNew}, where the name is "running", "there", "kept" or "unheard", or "failed", with the `error`. Throws
// CallFailed at the first call that fails; the rest is not begun.
export async function setUp(answers, there, by, tell) {
  const how = { ids: idsOf(there), by, tell };
  const { base } = answers;
  tell("base", { name: "there", object: base });
  const platform = await ensured("platform", there.platform, platformBody(), {}, how);
  const source = await ensured("source", there.source, sourceBody(platform.id), {}, how);
  const target = await ensured("target", there.target, targetBody(answers, base.id), wantedOfTarget(there.target, answers, base.id), how);
  await ensured("flow", there.flow, flowBody(answers, source.id, target.id), wantedOfFlow(answers, source.id, target.id), how);
}

// Make an object by its body, once. Where the answer is lost, it is looked for among those that were not there before.
export function madeOnce(collection, body, { ids, by }) {
  const wasKept = async () => {
    const { items } = (await read(`${listOf(collection)}?orderby=-createdAt&limit=100`)).body;
    const object = items.find((each) => !ids.has(each.id) && each.createdBy === by && each.name === body.name);
    return object ? { body: object, etag: object.etag } : null;
  };
  return change("POST", listOf(collection), body, { wasKept });
}

// Change an object by operations, once, from the version that was read.
export function changedOnce(collection, object, operations, by) {
  const wasKept = async () => {
    const answer = await read(pathOf(collection, object.id));
    const [now] = answer.body.items;
    const isOurs = now.etag !== object.etag && now.updatedBy === by && areDone(now, operations);
    return isOurs ? { body: now, etag: answer.etag } : null;
  };
  return change("PATCH", pathOf(collection, object.id), operations, { ifMatch: object.etag, wasKept });
}

// The ids of all that is there, to tell what comes anew.
export const idsOf = ({ flows, targets, bases, sources, platforms }) =>
  new Set([...flows, ...targets, ...bases, ...sources, ...platforms].map(({ id }) => id));

async function ensured(part, object, body, wanted, { ids, by, tell }) {
  const collection = COLLECTIONS[part];
  const operations = object ? operationsFor(object, wanted) : [];
  if (object && !operations.length) {
    tell(part, { name: "there", object });
    return object;
  }
  tell(part, { name: "running" });
  try {
    const answer = object ? await changedOnce(collection, object, operations, by) : await madeOnce(collection, body, { ids, by });
    const made = { ...(object || body), ...answer.body };
    tell(part, { name: answer.was === KEPT ? "kept" : "unheard", object: made, isNew: !object });
    return made;
  } catch (error) {
    if (!(error instanceof CallFailed)) throw error;
    tell(part, { name: "failed", error });
    throw error;
  }
}
