// The last step: what the change does, before it is made; and its one call.

import { fill, figures, keep, list, made, say } from "../elements.js";
import { WORDS } from "../words/activate.js";
import { button } from "./button.js";
import { differences } from "./differences.js";
import { segmentKey } from "./names.js";

const TEXTS = WORDS.review;

// `preview()` returns what the service says the change of `state.draft` does; `finish()` makes it.
export function reviewStep(state, { preview, why, finish }) {
  const element = made("div", undefined, "review");
  const news = made("p");
  news.role = "status";
  const parts = Object.fromEntries(["refused", "changes", "governance", "withoutEffect", "backfill", "examples"].map((name) => {
    const section = made("section");
    section.append(made("h3", TEXTS[name]), made("div"));
    element.append(section);
    return [name, section];
  }));
  element.prepend(news);
  const again = button(TEXTS.again, () => look());
  const end = button(TEXTS.finish, () => finish(), "primary");
  const actions = made("div", undefined, "actions");
  actions.append(end, again);
  element.append(actions);
  let turn = 0;
  let told = null; // what the service said of this change
  let isUnderWay = false;
  let mayFinish = false;

  async function look() {
    turn += 1;
    const mine = turn;
    told = null;
    mayFinish = false;
    for (const name of ["refused", "governance", "withoutEffect", "backfill", "examples"]) parts[name].hidden = true;
    showChanges();
    if (!state.draft.isChanged()) {
      say(news, TEXTS.unchanged);
      update();
      return;
    }
    say(news, TEXTS.looking);
    update();
    try {
      const found = await preview();
      if (mine !== turn) return;
      told = found;
      mayFinish = true;
      say(news, found.sample ? TEXTS.sampled(found.sample) : "");
      showTold(found);
    } catch (error) {
      if (mine !== turn) return;
      // What the change itself would be refused with is no reason to send it; what else fails is none against it.
      mayFinish = error.kind !== "refused";
      if (error.kind === "refused") showRefusal(error.problem);
      say(news, error.kind === "refused" ? "" : TEXTS.noSample(why(error)));
    }
    update();
  }

  function showChanges() {
    const { segments, attributes } = state.draft.changes();
    const place = parts.changes.lastElementChild;
    place.replaceChildren(...differences({ segments, attributes }, { hasSegments: state.draft.chosen("segments").length > 0 }));
  }

  function showRefusal(problem) {
    const { errors = [], violations = [] } = problem?.report || {};
    const lines = errors.length ? errors.map(TEXTS.refusedItem) : violations.length ? [] : [problem?.detail || problem?.title || ""];
    fillList(parts.refused, [...lines, ...violations.map((each) => each.message || TEXTS.violation(each))], "bad");
    parts.refused.hidden = false;
  }

  function showTold({ report, items, backfill, exports }) {
    const removed = items.filter(({ removedBy }) => removedBy);
    fillList(parts.governance, removed.length
      ? removed.map((item) => TEXTS.removal({ ...item, kind: TEXTS.kinds[item.kind], name: nameOf(item) }))
      : [TEXTS.noRemoval], removed.length ? "warn" : "");
    const without = report?.withoutEffect || [];
    fillList(parts.withoutEffect, without.map(TEXTS.refusedItem), "warn");
    parts.governance.hidden = false;
    parts.withoutEffect.hidden = !without.length;
    if (backfill) showBackfill(backfill);
    if (exports) showExamples(exports);
  }

  const nameOf = (item) => (item.kind === "segment" ? state.nameOf(segmentKey({ namespace: item.namespace, id: item.name })) : item.name);

  function showBackfill(found) {
    const place = parts.backfill.lastElementChild;
    const table = made("table");
    const scroll = made("div", undefined, "scroll");
    Object.assign(scroll, { tabIndex: 0, role: "region", ariaLabel: TEXTS.perSegment });
    table.createCaption().textContent = TEXTS.perSegmentCaption;
    scroll.append(table);
    const numbers = made("ul", undefined, "figures");
    const removals = made("ul", undefined, "notes");
    place.replaceChildren(made("p", !found.isDue ? TEXTS.notDue : found.mode === "off" ? TEXTS.isOff : TEXTS.isAuto, found.isDue && found.mode === "off" ? "warn" : ""));
    parts.backfill.hidden = false;
    if (!found.isDue) return;
    place.append(numbers, made("h4", TEXTS.perSegment), scroll, removals);
    figures(numbers, TEXTS.figures(found));
    fill(table, TEXTS.perSegmentColumns, found.segments.map((each) => ({
      key: segmentKey(each),
      cells: [{ text: each.name || state.nameOf(segmentKey(each)), kind: "text" }, ...[each.realized, each.existing, each.exited].map(TEXTS.count)],
    })), TEXTS.perSegmentEmpty);
    list(removals, (found.removedBy || []).map((each) => ({ key: `${each.policy} ${each.action}`, text: TEXTS.removedProfiles(each), kind: "warn" })));
  }

  function showExamples(exports) {
    const place = parts.examples.lastElementChild;
    parts.examples.hidden = false;
    place.replaceChildren(made("p", exports.length ? TEXTS.examplesNote : TEXTS.noExamples, "quiet"));
    keep(place, [...exports.map((each, index) => ({ key: String(index), each }))], () => made("figure"), (figure, { each }) => {
      const text = made("pre", JSON.stringify(each.record, null, 2));
      const name = made("figcaption", TEXTS.exampleOf(each.profile));
      Object.assign(text, { tabIndex: 0, role: "region", ariaLabel: name.textContent });
      figure.replaceChildren(name, text);
    });
    place.prepend(made("p", exports.length ? TEXTS.examplesNote : TEXTS.noExamples, "quiet"));
  }

  function update() {
    end.disabled = isUnderWay || !mayFinish || !state.mayChange;
    again.disabled = isUnderWay || !state.draft.isChanged();
    say(end, isUnderWay ? TEXTS.finishing : TEXTS.finish);
    end.ariaBusy = String(isUnderWay);
  }

  return {
    element, heading: TEXTS.heading, look, update,
    isDue: () => Boolean(told?.backfill?.isDue),
    // The call is under way, or is not any more.
    underWay(is) { isUnderWay = is; update(); },
    say: (text, kind) => say(news, text, kind || ""),
    refuse(problem) { mayFinish = false; showRefusal(problem); update(); },
  };
}

function fillList(section, lines, kind) {
  const place = section.lastElementChild;
  const notes = made("ul", undefined, "notes");
  list(notes, lines.map((text, index) => ({ key: String(index), text, kind })));
  place.replaceChildren(notes);
}
