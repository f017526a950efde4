// Who is signed in. The token is in this module's variable alone: in no storage, no address, no cookie and no element. It is
// gone with the tab.

import { ask } from "./requests.js";

let token = null;
let session = null;
const listeners = new Set();

// Sign in with `given`, as soon as the service knows it, if that is wanted by then: {name, mayChange}, or null. Throws CallFailed.
export async function signIn(given, isWanted = () => true) {
  const { body } = await ask("GET", "/processor/token", { bearer: given });
  if (!isWanted()) return null;
  token = given;
  session = { name: body.name, mayChange: body.mayChange === true };
  tell(false);
  return session;
}

// End the session; `isUnknown` where the service does not know the token any more.
export function signOut(isUnknown = false) {
  if (session === null) return;
  token = null;
  session = null;
  tell(isUnknown);
}

// The token, for a call that is made now; null where nobody is signed in.
export const bearer = () => token;

// Who is signed in, {name, mayChange}; null where nobody is.
export const currentSession = () => session;

// Tell `listener` of each session, as listener(session, isUnknown): of the present one at once. Returns what ends it.
export function onSession(listener) {
  listeners.add(listener);
  listener(session, false);
  return () => listeners.delete(listener);
}

function tell(isUnknown) {
  for (const listener of [...listeners]) listener(session, isUnknown);
}
