// A change of what is in force, carried out: sent once, found again where its answer is lost, and made of what is there now where
// somebody else was first and whoever wants it says so.

import { CallFailed, change, read } from "../calls.js";
import { conflict } from "../conflict.js";
import { FLOW_SERVICE } from "../definition.js";
import { WORDS } from "../words/destination.js";
import { WORDS as SHARED } from "../words/shared.js";

// Where an object is, below the API's prefix.
export const pathOf = (collection, id) => `${FLOW_SERVICE}/${collection}/${encodeURIComponent(id)}`;

// Carry `wish` out: {collection, object, request(object), isDone(object), described(object), wanted(object), words}.
// `request` returns {method, path, body} for the object as it then is; `described` and `wanted` are as `conflict` shows them.
// Returns what to tell, as sentences; empty where nothing was changed. Throws CallFailed.
export async function carried(wish) {
  let { object } = wish;
  for (;;) {
    try {
      const { was } = await sent(wish, object);
      return [SHARED.kept[was], wish.words];
    } catch (error) {
      if (!(error instanceof CallFailed) || error.kind !== "conflict") throw error;
    }
    const now = await asItIs(wish.collection, object.id);
    if (now === null) return [WORDS.outcomes.gone];
    if (wish.isDone(now)) return [WORDS.outcomes.there];
    const answer = await conflict({ had: wish.described(object), now: wish.described(now), wanted: wish.wanted(now) });
    if (answer === "leave") return [WORDS.outcomes.left];
    object = now;
  }
}

function sent(wish, object) {
  const { method, path, body } = wish.request(object);
  const wasKept = async () => {
    const now = await asItIs(wish.collection, object.id);
    return now && now.etag !== object.etag && wish.isDone(now) ? { body: now, etag: now.etag } : null;
  };
  return change(method, path, body, { ifMatch: object.etag, wasKept });
}

async function asItIs(collection, id) {
  try {
    return (await read(pathOf(collection, id))).body.items[0];
  } catch (error) {
    if (error instanceof CallFailed && error.status === 404) return null;
    throw error;
  }
}
