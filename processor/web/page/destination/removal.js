// A segment or an attribute taken off again: with what readers of the stream will see of it, before it is done.

import { mappedBy } from "../selectors.js";
import { made } from "../elements.js";
import { WORDS } from "../words/destination.js";
import { asking } from "./asking.js";
import { carried } from "./carrying.js";
import { previewOf } from "./preview.js";
import { takingOff } from "./wishes.js";

const TEXTS = WORDS.removal;

// Ask whether to take `key` off, which people call `name`; `kind` is "segments" or "attributes".
export function askToTakeOff({ flow, kind, key, name }, on) {
  const wish = takingOff(flow, kind, { key, name });
  const isSegment = kind === "segments";
  const isLast = isSegment && mappedBy(flow).segments.size === 1;
  const lines = [...(isSegment ? [...TEXTS.segment, TEXTS.again] : TEXTS.attribute), ...(isLast ? [TEXTS.last] : [])];
  const told = made("ul", undefined, "notes");
  told.append(...lines.map((line) => made("li", line, line === TEXTS.last ? "warn" : "")));
  const preview = previewOf(on);
  preview.look(wish.request(flow), flow.etag);
  return asking({
    title: isSegment ? TEXTS.segmentTitle(name) : TEXTS.attributeTitle(name),
    parts: [told, preview.element], confirm: TEXTS.confirm, doing: TEXTS.doing, isGrave: true, on,
    act: () => carried(wish),
  });
}
