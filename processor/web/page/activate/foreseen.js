// What a change would do, as the service has worked it out on the sample: the backfill, and records as they will be.

import { fill, figures, list, made } from "../elements.js";
import { WORDS } from "../words/activate.js";
import { segmentKey } from "../names.js";

const TEXTS = WORDS.review;

// Lines of a list in `place`, all of one kind.
export function showLines(place, lines, kind) {
  const notes = made("ul", undefined, "notes");
  list(notes, lines.map((text, index) => ({ key: String(index), text, kind })));
  place.replaceChildren(notes);
}

// `idle` is why nothing is exported under the change, if nothing is; `nameOf` tells a segment's name by its key.
export function showBackfill(place, found, { idle, nameOf }) {
  const isOff = found.isDue !== false && found.mode === "off";
  const words = idle ? [TEXTS.idle(idle)] : [
    TEXTS.due[String(found.isDue)], ...(isOff ? [TEXTS.isOff] : found.isDue !== false ? [TEXTS.isAuto] : [])];
  place.replaceChildren(...words.map((text) => made("p", text, idle || (isOff && text === TEXTS.isOff) ? "warn" : "")));
  if (idle) return;
  const [numbers, removals, table] = [made("ul", undefined, "figures"), made("ul", undefined, "notes"), made("table")];
  table.createCaption().textContent = TEXTS.perSegmentCaption;
  place.append(numbers, scrolled(table, TEXTS.perSegment), removals);
  figures(numbers, TEXTS.figures(found));
  fill(table, TEXTS.perSegmentColumns, found.segments.map((each) => ({
    key: segmentKey(each),
    cells: [{ text: each.name || nameOf(segmentKey(each)), kind: "text" }, ...[each.realized, each.existing, each.exited].map(TEXTS.count)],
  })), TEXTS.perSegmentEmpty);
  list(removals, found.removedBy.map((each) => (
    { key: `${each.policy} ${each.action}`, text: TEXTS.removedProfiles(each), kind: "warn" })));
}

export function showExamples(place, exports) {
  place.className = "examples";
  place.replaceChildren(made("p", exports.length ? TEXTS.examplesNote : TEXTS.noExamples, "quiet"), ...exports.map(({ profile, record, isOfBackfill }, index) => {
    const figure = made("figure");
    const name = TEXTS.exampleOf(index + 1, profile, isOfBackfill);
    figure.append(made("figcaption", name), scrolled(made("pre", JSON.stringify(record, null, 2)), name));
    return figure;
  }));
}

// What is wider than a phone is scrolled within, by keyboard as well.
function scrolled(element, name) {
  const frame = made("div", undefined, "scroll");
  Object.assign(frame, { tabIndex: 0, role: "region", ariaLabel: name });
  frame.append(element);
  return frame;
}
