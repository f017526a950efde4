// What is mapped, with its labels and what the policies in force make of it; and each taken off again.

import { segmentKey } from "../names.js";
import { mappedBy } from "../selectors.js";
import { consult } from "../calls.js";
import { button } from "../dialogs.js";
import { fill, made, say } from "../elements.js";
import { field } from "../fields.js";
import { when } from "../formats.js";
import { told } from "../trouble.js";
import { WORDS } from "../words/destination.js";
import { asked } from "./marketing.js";
import { askToTakeOff } from "./removal.js";

const SEARCHED_FROM = 12; // of so many on, there is a search
const SECONDS_UNTIL = 1e11; // what is less is in seconds, as in the published tutorial

export function mappedOf(on) {
  const element = made("div");
  const note = made("p", "", "warn");
  note.setAttribute("role", "status");
  let found = null;
  let outcomes = new Map();
  let turn = 0;
  const segments = tableOf({
    kind: "segments", texts: WORDS.segments, on, flow: () => found.flow,
    searched: ({ id, namespace, key }) => [id, namespace, on.nameOf(key) || ""].join("\n"),
    cells: ({ id, namespace, mappedMs, key }) => [
      on.nameOf(key) ? { text: on.nameOf(key), kind: "text" } : { text: WORDS.segments.unnamed, kind: "text quiet" },
      { text: id, kind: "text" }, namespace, when(mappedMs),
      ...outcomeCells(outcomes.get(`segment ${key}`)),
    ],
    named: ({ key }) => on.nameOf(key) || key,
  });
  const attributes = tableOf({
    kind: "attributes", texts: WORDS.attributes, on, flow: () => found.flow,
    searched: ({ path }) => path,
    cells: ({ path }) => [{ text: path, kind: "text" }, ...outcomeCells(outcomes.get(`attribute ${path}`))],
    named: ({ path }) => path,
  });
  element.append(note, segments.element, attributes.element);

  function show() {
    const mapped = mappedBy(found.flow);
    segments.show(withTimes(found.flow, mapped.segments));
    attributes.show([...mapped.attributes.values()]);
  }

  // Ask what governance makes of them; `known` is told of the answer.
  async function judge(known) {
    if (!found) return;
    turn += 1;
    const mine = turn;
    let answer;
    try {
      answer = (await consult("/processor/outcomes", asked(mappedBy(found.flow)))).body;
    } catch (error) {
      if (mine === turn) say(note, WORDS.outcomesFailed(told(error)));
      return;
    }
    if (mine !== turn) return;
    say(note, "");
    outcomes = new Map(answer.items.map((item) => [keyOf(item), item]));
    show();
    known(answer);
  }

  return {
    element,
    judge,
    show,
    take(now) {
      found = now;
      show();
    },
  };
}

// The table of one kind, with a search where there are many.
function tableOf({ kind, texts, on, flow, searched, cells, named }) {
  const element = made("section");
  const [heading, frame, table, count] = [made("h3", texts.heading), made("div", undefined, "scroll"), made("table"), made("p", "", "quiet")];
  heading.id = `mapped-${kind}`;
  count.setAttribute("role", "status");
  Object.assign(frame, { tabIndex: 0, role: "region" });
  frame.setAttribute("aria-labelledby", heading.id);
  table.id = `mapped-${kind}-table`;
  table.createCaption().textContent = texts.caption;
  frame.append(table);
  const search = field({ id: `mapped-${kind}-search`, label: texts.search, kind: "search" });
  element.append(heading, search.element, count, frame);
  const buttons = new Map(); // kept, so that none loses the focus as its row is shown anew
  let items = [];
  search.onInput(filtered, 100);

  function takeOff(item) {
    if (!buttons.has(item.key)) {
      const made_ = button(WORDS.buttons.takeOff);
      made_.addEventListener("click", () => askToTakeOff({ flow: flow(), kind, key: item.key, name: named(item) }, on));
      buttons.set(item.key, made_);
    }
    const one = buttons.get(item.key);
    one.setAttribute("aria-label", WORDS.takeOffOne(named(item)));
    one.disabled = !on.mayChange();
    return { element: one };
  }

  function filtered() {
    const wanted = search.value().toLowerCase();
    const shown = items.filter((item) => searched(item).toLowerCase().includes(wanted));
    say(count, wanted ? WORDS.segments.shown(shown.length, items.length) : "");
    fill(table, texts.headings, shown.map((item) => ({ key: item.key, cells: [...cells(item), takeOff(item)] })), texts.none);
  }

  return {
    element,
    show(now) {
      items = now;
      search.element.hidden = items.length < SEARCHED_FROM && !search.value();
      const there = new Set(items.map(({ key }) => key));
      for (const key of buttons.keys()) if (!there.has(key)) buttons.delete(key);
      filtered();
    },
  };
}

function outcomeCells(outcome) {
  if (!outcome) return ["", { text: WORDS.outcomeUnknown, kind: "quiet" }];
  const what = outcome.removedBy ? { text: WORDS.removed(outcome.removedBy), kind: "text bad" } : { text: WORDS.exported, kind: "good" };
  return [outcome.labels.join(", "), what];
}

// Segments with the time at which each was mapped, in milliseconds; null where it is not known.
function withTimes(flow, segments) {
  const times = new Map(segmentValues(flow).map((value) => [segmentKey(value), mappedMs(value)]));
  return [...segments.values()].map((each) => ({ ...each, mappedMs: times.get(each.key) ?? null }));
}

const segmentValues = (flow) => (flow.transformations || []).flatMap(({ params }) => (
  (params?.segmentSelectors?.selectors || []).map(({ value }) => value).filter(Boolean)));

function mappedMs({ createTime, mappingCreatedAt }) {
  const time = Number(createTime ?? mappingCreatedAt ?? NaN);
  return Number.isNaN(time) ? null : time < SECONDS_UNTIL ? time * 1000 : time;
}

const keyOf = ({ kind, namespace, name }) => (kind === "segment" ? `segment ${segmentKey({ namespace, id: name })}` : `${kind} ${name}`);
