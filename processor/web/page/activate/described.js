// A flow as people tell two of them apart: its name, its state, and what it maps, by name.

import { WORDS } from "../words/activate.js";
import { mappedBy } from "../selectors.js";

const TEXTS = WORDS.described;

// `mapped` is of the form of `mappedBy`, where it is not what the flow itself maps.
export function described(flow, mapped = mappedBy(flow)) {
  return Object.fromEntries([
    [TEXTS.name, flow.name || ""], [TEXTS.description, flow.description || ""], [TEXTS.state, flow.state || ""],
    ...[...mapped.segments.values()].map((each) => [TEXTS.segment(each), TEXTS.mapped]),
    ...[...mapped.attributes.keys()].map((path) => [TEXTS.attribute(path), TEXTS.mapped]),
  ]);
}
