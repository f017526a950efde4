// Calls of the API as the one who is signed in. What only reads is asked again where no answer came, or too many ask. A change
// is sent once: where its answer is lost, what became of it is read, and said.

import { CallFailed, ask } from "./requests.js";
import { bearer, signOut } from "./token.js";
import { KEPT, KEPT_UNTOLD } from "./words/shared.js";

export { CallFailed };

const READ_AGAIN_MS = [500, 1500, 4000];
const PASSING = ["lost", "busy"]; // what may be over in a moment
const FOUND_WITHIN_MS = 75000; // the service itself keeps a change within a minute, or gives it up
const LOOK_AGAIN_MS = [0, 1000, 2000, 4000]; // what was sent may be kept a moment after its sender has given up

const passed = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

// GET below the API's prefix: {body, etag}. Throws CallFailed.
export const read = (path) => repeated("GET", path, {});

// POST that changes nothing, such as a preview: {body, etag}. Throws CallFailed.
export const consult = (path, body) => repeated("POST", path, { body });

// Every page of a list below the API's prefix: its items. Throws CallFailed.
export async function readAll(path) {
  const items = [];
  let following = `${path}?limit=100`;
  while (following) {
    const { body } = await read(following);
    items.push(...body.items);
    const token = body._page && body._page.next;
    following = token ? `${path}?continuationToken=${encodeURIComponent(token)}` : null;
  }
  return items;
}

// Send a change, once: {body, etag, was}. `wasKept` reads whether it was kept, and returns the {body, etag} that then is
// there, or null; it is asked where the answer is lost. Without it a lost answer stays one. Throws CallFailed, whose
// `isKnown` says whether it is sure that nothing was changed.
export async function change(method, path, body, { ifMatch = "", wasKept = null } = {}) {
  try {
    return { ...await asked(method, path, { body, ifMatch }), was: KEPT };
  } catch (error) {
    if (!(error instanceof CallFailed) || error.isKnown) throw error;
    const found = wasKept ? await foundKept(wasKept) : { isSure: false, kept: null };
    if (found.kept) return { ...found.kept, was: KEPT_UNTOLD };
    throw new CallFailed(error.kind, { ...error, isKnown: found.isSure, isChange: true });
  }
}

async function repeated(method, path, how) {
  for (const waitMs of READ_AGAIN_MS) {
    try {
      return await asked(method, path, how);
    } catch (error) {
      if (!(error instanceof CallFailed) || !PASSING.includes(error.kind)) throw unchanged(error);
      await passed(Math.max(waitMs, Math.min((error.retryAfterS || 0) * 1000, waitMs * 4)));
    }
  }
  return asked(method, path, how).catch((error) => { throw unchanged(error); });
}

// What only reads has changed nothing, however it failed.
const unchanged = (error) => (error instanceof CallFailed ? new CallFailed(error.kind, { ...error, isKnown: true }) : error);

async function asked(method, path, how) {
  const token = bearer();
  if (token === null) throw new CallFailed("unauthorised");
  try {
    return await ask(method, path, { ...how, bearer: token });
  } catch (error) {
    // Whoever has signed in anew meanwhile stays signed in.
    if (error instanceof CallFailed && error.kind === "unauthorised" && bearer() === token) signOut(true);
    throw error;
  }
}

// What `wasKept` finds, as soon as the service answers again: `isSure` is whether it could look, and looked long enough.
async function foundKept(wasKept) {
  const until = Date.now() + FOUND_WITHIN_MS;
  let looks = 0;
  while (Date.now() < until) {
    await passed(LOOK_AGAIN_MS[Math.min(looks, LOOK_AGAIN_MS.length - 1)]);
    try {
      // Asked before it is looked: what is under way then may be what was sent.
      const { underWay } = await asked("GET", "/processor/token", {});
      const kept = await wasKept();
      if (kept) return { isSure: true, kept };
      if (underWay) {
        await passed(1000);
        continue;
      }
      looks += 1;
      if (looks === LOOK_AGAIN_MS.length) return { isSure: true, kept: null };
    } catch (error) {
      if (!(error instanceof CallFailed) || !["lost", "unavailable", "busy"].includes(error.kind)) return { isSure: false, kept: null };
      await passed(1000);
    }
  }
  return { isSure: false, kept: null };
}
