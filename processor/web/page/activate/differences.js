// What a change maps and unmaps, as people read it, with what consumers see of it.

import { made } from "../elements.js";
import { WORDS } from "../words/activate.js";

const TEXTS = WORDS.review;
const SHOWN = 50; // of one list; the rest is under "more"

// Elements that tell `{segments, attributes}`, each {added, removed, kept}.
export function differences(changes, { hasSegments }) {
  const parts = [];
  for (const kind of ["segments", "attributes"]) {
    if (changes[kind].added.length) parts.push(...named(TEXTS.mapped[kind], changes[kind].added));
  }
  for (const kind of ["segments", "attributes"]) {
    if (!changes[kind].removed.length) continue;
    parts.push(...named(TEXTS.unmapped[kind], changes[kind].removed), made("p", TEXTS.consumers[kind], "warn"));
  }
  parts.push(made("p", TEXTS.kept({ segments: changes.segments.kept.length, attributes: changes.attributes.kept.length }), "quiet"));
  if (!hasSegments) parts.push(made("p", TEXTS.noSegments, "warn"));
  return parts;
}

function named(title, items) {
  const first = listOf(items.slice(0, SHOWN));
  if (items.length <= SHOWN) return [made("h5", title), first];
  const more = made("details");
  more.append(made("summary", TEXTS.more(items.length - SHOWN)), listOf(items.slice(SHOWN)));
  return [made("h5", title), first, more];
}

function listOf(items) {
  const places = made("ul", undefined, "notes");
  for (const item of items) {
    const line = made("li", item.path || item.name || item.key);
    if (item.name) line.append(made("small", item.key));
    places.append(line);
  }
  return places;
}
