// The objects that a set-up is made of: what each says, what it is to be, and the operations that have it so.

import { AMAZON_KINESIS, FLOW_SERVICE, PROFILE_FLOW, PROFILE_SERVICE } from "../definition.js";
import { WORDS } from "../words/connect.js";

export const HIDDEN = "**********"; // what is shown in a secret's place

const spec = (id) => ({ id, version: "1.0" });

// The paths of one kind's list and of one object, below the API's address.
export const listOf = (collection) => `${FLOW_SERVICE}/${collection}`;
export const pathOf = (collection, id) => `${FLOW_SERVICE}/${collection}/${encodeURIComponent(id)}`;

// How an account signs in: "chain", "variables", "keys", or "files" where files of the service's machine hold the keys.
export function signsInBy({ auth }) {
  const { accessKeyId, accessKeyIdFile } = (auth && auth.params) || {};
  if (accessKeyIdFile) return "files";
  if (!accessKeyId) return "chain";
  return variableIn(accessKeyId) ? "variables" : "keys";
}

export const variableIn = (text) => /^\$\{(EXPORT_[A-Za-z0-9_]*)\}$/.exec(text || "")?.[1] || null;
export const regionOf = (account) => (account && account.auth && account.auth.params && account.auth.params.region) || "";
export const endpointOf = (account) => (account && account.auth && account.auth.params && account.auth.params.connectionUrl) || "";

// The marketing actions of a target connection, which may hold references, by their names.
export function actionsOf(target) {
  const given = (target && target.params && target.params.marketingActions) || [];
  return given.map((each) => (each.includes("/") ? decoded(each.replace(/[?#].*$/, "").replace(/\/+$/, "").split("/").at(-1)) : each));
}

// The bodies of what is made. `auth.params` hold the keys, if any: a body is sent, and kept nowhere.
export const platformBody = () => ({ name: WORDS.names.platform, connectionSpec: spec(PROFILE_SERVICE) });
export const sourceBody = (platformId) => ({
  name: WORDS.names.source, baseConnectionId: platformId, connectionSpec: spec(PROFILE_SERVICE), data: { format: "json" }, params: {},
});
export const accountBody = (params) => ({
  name: WORDS.names.account, connectionSpec: spec(AMAZON_KINESIS), auth: { specName: WORDS.names.authentication, params },
});
export const targetBody = (answers, baseId) => ({
  name: answers.name, baseConnectionId: baseId, connectionSpec: spec(AMAZON_KINESIS), data: { format: "json" },
  params: { stream: answers.stream, region: answers.region, marketingActions: answers.actions },
});
export const flowBody = (answers, sourceId, targetId) => ({
  name: answers.name, ...(answers.description ? { description: answers.description } : {}), flowSpec: spec(PROFILE_FLOW),
  sourceConnectionIds: [sourceId], targetConnectionIds: [targetId],
  transformations: [{ name: "GeneralTransform", params: { profileSelectors: { selectors: [] }, segmentSelectors: { selectors: [] } } }],
});

// The operations that have an object agree with what is wanted of it, by JSON pointer; none where it does already. A text that is
// empty is no member.
export function operationsFor(object, wanted) {
  return Object.entries(wanted).flatMap(([path, value]) => {
    const now = valueAt(object, path);
    if (value === "" || value === null) return now === undefined || now === "" || now === null ? [] : [{ op: "remove", path }];
    if (JSON.stringify(now) === JSON.stringify(value)) return [];
    return [{ op: now === undefined ? "add" : "replace", path, value }];
  });
}

// A target connection's name is nobody's but the API's own: people see the dataflow's.
export const wantedOfTarget = (target, answers, baseId) => ({
  "/baseConnectionId": baseId,
  "/params/stream": answers.stream,
  "/params/region": answers.region,
  // What is meant is compared, not how it is written.
  ...(sameNames(actionsOf(target), answers.actions) ? {} : { "/params/marketingActions": answers.actions }),
});
export const wantedOfFlow = (answers, sourceId, targetId) => ({
  "/name": answers.name,
  "/description": answers.description,
  "/sourceConnectionIds/0": sourceId,
  "/targetConnectionIds/0": targetId,
});


// An account's way to sign in is sent whole where keys or variables come with it: what is kept of keys is shown to nobody, and so
// cannot be sent again.
export const wantedOfAccount = (params, keepsKeys) => (keepsKeys
  ? { "/auth/params/region": params.region, "/auth/params/connectionUrl": params.connectionUrl || "" }
  : { "/auth": { specName: WORDS.names.authentication, params } });

// Whether an object is as operations would have it. What is kept of a secret is shown to nobody, and passes for any.
export const areDone = (object, operations) => operations.every(({ op, path, value }) => {
  const now = valueAt(object, path);
  return op === "remove" ? now === undefined : agrees(now, value);
});

function agrees(now, wanted) {
  if (typeof wanted !== "object" || wanted === null) return now === wanted || now === HIDDEN;
  if (typeof now !== "object" || now === null) return false;
  return Object.entries(wanted).every(([name, value]) => agrees(now[name], value)) && (!Array.isArray(wanted) || now.length === wanted.length);
}

function valueAt(object, path) {
  return path.split("/").slice(1).reduce((value, step) => (value === null || typeof value !== "object" ? undefined : value[step]), object);
}

const sameNames = (some, others) => some.length === others.length && some.every((each) => others.includes(each));

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // it is no URI: the name itself
  }
}
