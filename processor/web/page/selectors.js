// What a flow maps, out of its selectors, and the operations of a JSON Patch that change it.

const SELECTORS = "/transformations/0/params";
const PLATFORM = "ups"; // the namespace of the platform's own segments

const listsOf = (flow, kind) => {
  const params = (flow && flow.transformations && flow.transformations[0] && flow.transformations[0].params) || {};
  return (params[kind] && params[kind].selectors) || [];
};

// The segments that a flow maps: [{index, id, namespace, name, key}].
export const segmentsOf = (flow) => listsOf(flow, "segmentSelectors").map(({ value }, index) => {
  const namespace = value.namespace || PLATFORM;
  return { index, id: value.id, namespace, name: value.name || "", key: `${namespace} ${value.id}` };
});

// The attributes that a flow maps: [{index, path, key}].
export const attributesOf = (flow) => listsOf(flow, "profileSelectors").map(({ value }, index) => (
  { index, path: value.path, key: value.path }));

export const segmentKey = ({ namespace, id }) => `${namespace || PLATFORM} ${id}`;

// The operations that map what is in `add` and take off what is in `remove`, each {segments: [...], attributes: [...]}; made
// for `flow` as it is: what is mapped already is not added, and what is not there is not taken off.
export function mappingOperations(flow, { add = {}, remove = {} }) {
  const segments = segmentsOf(flow);
  const attributes = attributesOf(flow);
  const isMapped = new Set([...segments, ...attributes].map(({ key }) => key));
  return [
    ...removals("segmentSelectors", segments, new Set((remove.segments || []).map(segmentKey))),
    ...removals("profileSelectors", attributes, new Set((remove.attributes || []).map(({ path }) => path))),
    ...(add.segments || []).filter((each) => !isMapped.has(segmentKey(each))).map((each) => (
      { op: "add", path: `${SELECTORS}/segmentSelectors/selectors/-`, value: segmentSelector(each) })),
    ...(add.attributes || []).filter(({ path }) => !isMapped.has(path)).map(({ path }) => (
      { op: "add", path: `${SELECTORS}/profileSelectors/selectors/-`, value: { type: "JSON_PATH", value: { operator: "EXISTS", path } } })),
  ];
}

function segmentSelector({ id, namespace, name }) {
  const value = { id };
  if (name) value.name = name;
  if (namespace && namespace !== PLATFORM) value.namespace = namespace;
  return { type: "PLATFORM_SEGMENT", value };
}

// From the last one on: an index is of the list as the operations before have left it.
function removals(kind, mapped, keys) {
  return mapped.filter(({ key }) => keys.has(key)).reverse().map(({ index }) => (
    { op: "remove", path: `${SELECTORS}/${kind}/selectors/${index}` }));
}
