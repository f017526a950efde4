// What a flow maps, as lists.

import { mappedBy } from "./activate/selectors.js";

// Its segments: [{key, namespace, id, name}].
export const segmentsOf = (flow) => (flow ? [...mappedBy(flow).segments.values()] : []);

// Its attributes: [{key, path}].
export const attributesOf = (flow) => (flow ? [...mappedBy(flow).attributes.values()] : []);
