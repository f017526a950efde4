// What is chosen in this tab and not kept yet, beside what the dataflow maps: data, without a page.

import { branchesOf, isWithin } from "../names.js";
import { mappedBy, patchOf } from "../selectors.js";

// The draft of a flow as it was read with this etag; it begins with what is mapped.
export function draftOf(flow, etag) {
  let base = { flow, etag };
  let was = mappedBy(flow);
  let chosen = mappedBy(flow);
  const listeners = new Set();
  const tell = () => listeners.forEach((listener) => listener());

  const differences = (kind) => ({
    added: [...chosen[kind].values()].filter(({ key }) => !was[kind].has(key)),
    removed: [...was[kind].values()].filter(({ key }) => !chosen[kind].has(key)),
    kept: [...chosen[kind].values()].filter(({ key }) => was[kind].has(key)),
  });
  const changes = () => ({ segments: differences("segments"), attributes: differences("attributes") });
  const isChanged = () => Object.values(changes()).some(({ added, removed }) => added.length || removed.length);

  // What would be mapped where the same wishes were made on another flow.
  function wantedOn(flow) {
    const wanted = mappedBy(flow);
    for (const [kind, { added, removed }] of Object.entries(changes())) {
      for (const { key } of removed) wanted[kind].delete(key);
      for (const item of added) choose(wanted, kind, item);
    }
    return wanted;
  }

  return {
    changes, isChanged,
    flow: () => base.flow,
    etag: () => base.etag,
    chosen: (kind) => [...chosen[kind].values()],
    isChosen: (kind, key) => chosen[kind].has(key),
    isMapped: (kind, key) => was[kind].has(key),
    // The chosen branch that a path comes along with, or undefined.
    branchChosenFor: (path) => branchesOf(path).find((branch) => chosen.attributes.has(branch)),
    chosenWithin: (branch) => [...chosen.attributes.keys()].filter((path) => isWithin(path, branch)),
    onChange(listener) { listeners.add(listener); },

    choose(kind, items) {
      for (const item of items) choose(chosen, kind, item);
      tell();
    },
    drop(kind, keys) {
      for (const key of keys) chosen[kind].delete(key);
      tell();
    },
    // What is wanted, as operations on the flow that the draft began with.
    patch: () => patchOf(base.flow, chosen),
    // The same wishes on the flow as it is now.
    moveTo(newFlow, newEtag) {
      chosen = wantedOn(newFlow);
      was = mappedBy(newFlow);
      base = { flow: newFlow, etag: newEtag };
      tell();
    },
    wantedOn,
  };
}

function choose(chosen, kind, item) {
  // No mapped attribute may lie in another: a branch takes what lies in it along.
  if (kind === "attributes") {
    if (branchesOf(item.path).some((branch) => chosen.attributes.has(branch))) return;
    for (const path of chosen.attributes.keys()) if (isWithin(path, item.path)) chosen.attributes.delete(path);
  }
  if (!chosen[kind].has(item.key)) chosen[kind].set(item.key, item);
}
