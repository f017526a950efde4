// What can be wished of what is in force, each as `carried` of carrying.js takes it.

import { described } from "../activate/described.js";
import { mappedBy, patchOf } from "../selectors.js";
import { WORDS as ACTIVATE } from "../words/activate.js";
import { WORDS } from "../words/destination.js";
import { actionsOf, isSame } from "./action_names.js";
import { pathOf } from "./carrying.js";

const OUTCOMES = WORDS.outcomes;
const { name: NAME, description: DESCRIPTION, state: STATE } = ACTIVATE.described;

// Another name and description of a flow.
export const renaming = (flow, name, description) => ({
  collection: "flows", object: flow, described, words: OUTCOMES.renamed,
  request: (now) => ({ method: "PATCH", path: pathOf("flows", now.id), body: namingOf(now, name, description) }),
  isDone: (now) => now.name === name && (now.description || "") === description,
  wanted: (now) => ({ ...described(now), [NAME]: name, [DESCRIPTION]: description }),
});

// A flow enabled, or disabled: `state` is "enabled" or "disabled".
export const turning = (flow, state) => ({
  collection: "flows", object: flow, described, words: OUTCOMES[state],
  request: (now) => ({ method: "POST", path: `${pathOf("flows", now.id)}/action?op=${state === "enabled" ? "enable" : "disable"}` }),
  isDone: (now) => now.state === state,
  wanted: (now) => ({ ...described(now), [STATE]: state }),
});

// A segment or an attribute taken off a flow: `kind` is "segments" or "attributes", `key` as `mappedBy` has it.
export const takingOff = (flow, kind, { key, name }) => {
  const without = (now) => {
    const mapped = mappedBy(now);
    mapped[kind].delete(key);
    return mapped;
  };
  return {
    collection: "flows", object: flow, described, words: OUTCOMES.takenOff(name),
    request: (now) => ({ method: "PATCH", path: pathOf("flows", now.id), body: patchOf(now, without(now)) }),
    isDone: (now) => !mappedBy(now)[kind].has(key),
    wanted: (now) => described(now, without(now)),
  };
};

// Other marketing actions of a target connection.
export const usingFor = (target, actions) => {
  const members = (now, named) => ({
    [WORDS.members.name]: now.name || "", [WORDS.members.description]: now.description || "", [WORDS.members.actions]: [...named].sort().join(", "),
  });
  return {
    collection: "targetConnections", object: target, words: OUTCOMES.actions,
    described: (now) => members(now, actionsOf(now)),
    request: (now) => ({
      method: "PATCH", path: pathOf("targetConnections", now.id),
      body: [{ op: "add", path: "/params/marketingActions", value: actions }],
    }),
    isDone: (now) => isSame(actionsOf(now), actions),
    wanted: (now) => members(now, actions),
  };
};

function namingOf(flow, name, description) {
  const operations = [];
  if (flow.name !== name) operations.push({ op: "add", path: "/name", value: name });
  if ((flow.description || "") !== description) {
    operations.push(description ? { op: "add", path: "/description", value: description } : { op: "remove", path: "/description" });
  }
  return operations;
}
