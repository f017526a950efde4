// A dataflow's selectors: what they map, and the JSON Patch that has them map what was chosen.

import { PLATFORM, segmentKey } from "./names.js";

const TRANSFORMATIONS = "/transformations";
const NAME = "GeneralTransform";
const OPERATIONS_MAX = 200; // of one list; beyond them the list is given anew, for a patch has 1,000 at most

const KINDS = {
  segments: {
    member: "segmentSelectors", type: "PLATFORM_SEGMENT",
    keyOf: (value) => segmentKey(value),
    valueOf: ({ namespace, id, name }) => ({
      id, ...(namespace && namespace !== PLATFORM ? { namespace } : {}), ...(name ? { name } : {}),
    }),
  },
  attributes: {
    member: "profileSelectors", type: "JSON_PATH",
    keyOf: (value) => value.path,
    valueOf: ({ path }) => ({ path, operator: "EXISTS" }),
  },
};

// What a flow maps: segments as {key, namespace, id, name}, attributes as {key, path}, each once, in order.
export function mappedBy(flow) {
  const segments = new Map(placed(flow, KINDS.segments).map(({ key, selector: { value } }) => (
    [key, { key, namespace: value.namespace || PLATFORM, id: value.id, name: value.name || null }])));
  const attributes = new Map(placed(flow, KINDS.attributes).map(({ key }) => [key, { key, path: key }]));
  return { segments, attributes };
}

// Its segments, and its attributes, as lists; none where there is no flow.
export const segmentsOf = (flow) => (flow ? [...mappedBy(flow).segments.values()] : []);
export const attributesOf = (flow) => (flow ? [...mappedBy(flow).attributes.values()] : []);

// The operations that have a flow map `chosen`, of the form of `mappedBy`, and nothing else; those that map what stays are left as they are.
export function patchOf(flow, chosen) {
  const operations = [];
  const params = flow.transformations?.[0]?.params;
  const lists = {};
  for (const [name, kind] of Object.entries(KINDS)) {
    const before = placed(flow, kind);
    const there = new Set(before.map(({ key }) => key));
    const gone = before.filter(({ key }) => !chosen[name].has(key));
    const added = [...chosen[name].values()].filter(({ key }) => !there.has(key))
      .map((each) => ({ type: kind.type, value: kind.valueOf(each) }));
    if (!params) lists[kind.member] = { selectors: added };
    // Where the first transformation has no lists, those that stand further behind may have some.
    operations.push(...changes(flow, kind, gone, params ? added : []));
  }
  if (!params && Object.values(lists).some(({ selectors }) => selectors.length)) {
    const [first] = flow.transformations || [];
    operations.push(first
      ? { op: "add", path: `${TRANSFORMATIONS}/0/params`, value: lists }
      : { op: "add", path: TRANSFORMATIONS, value: [{ name: NAME, params: lists }] });
  }
  return operations;
}

function placed(flow, { member, type, keyOf }) {
  return (flow.transformations || []).flatMap((transformation, index) => (
    (transformation.params?.[member]?.selectors || [])
      .map((selector, position) => ({ selector, index, position }))
      .filter(({ selector }) => selector?.value && (selector.type || type) === type)
      .map((each) => ({ ...each, key: keyOf(each.selector.value) }))));
}

function changes(flow, { member }, gone, added) {
  if (gone.length + added.length > OPERATIONS_MAX) return anew(flow, member, gone, added);
  // From behind: each removal moves up what stands behind it.
  const removals = [...gone].reverse().map(({ index, position }) => (
    { op: "remove", path: `${listAt(index, member)}/${position}` }));
  if (!added.length) return removals;
  if (flow.transformations[0].params[member]?.selectors) {
    return [...removals, ...added.map((value) => ({ op: "add", path: `${listAt(0, member)}/-`, value }))];
  }
  const around = `${TRANSFORMATIONS}/0/params/${member}`;
  return [...removals, { op: "add", path: around, value: { ...flow.transformations[0].params[member], selectors: added } }];
}

// Whole lists in place of an operation for each selector.
function anew(flow, member, gone, added) {
  const isGone = new Set(gone.map(({ selector }) => selector));
  return flow.transformations.flatMap(({ params }, index) => {
    const before = params?.[member]?.selectors || [];
    const after = [...before.filter((selector) => !isGone.has(selector)), ...(index ? [] : added)];
    if (after.length === before.length && after.every((each, place) => each === before[place])) return [];
    return [{ op: "add", path: `${TRANSFORMATIONS}/${index}/params/${member}`, value: { ...params?.[member], selectors: after } }];
  });
}

const listAt = (index, member) => `${TRANSFORMATIONS}/${index}/params/${member}/selectors`;
