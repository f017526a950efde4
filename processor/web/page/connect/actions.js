// The marketing actions: each with its meaning and, beside it, what policies would remove for it and why, before it is chosen; and
// one of one's own.

import { CallFailed, change, consult, read } from "../calls.js";
import { button, during } from "../dialogs.js";
import { made, say } from "../elements.js";
import { checks, field, place } from "../fields.js";
import { attributesOf, segmentsOf } from "../selectors.js";
import { failures, told } from "../trouble.js";
import { WORDS } from "../words/connect.js";
import { wrongActionName } from "./answers.js";

const TEXTS = WORDS.actions;
const SHOWN = 3; // items that a removal names beside an action; the others are counted
const CUSTOM = "/dulepolicy/marketingActions/custom";

// {element, value, set, error, begin(definition)}: the list, and what belongs to it. `by` is whose token it is.
export function marketingActions({ by }) {
  const list = checks({ id: "marketing-actions", label: WORDS.authentication.actions, help: WORDS.authentication.actionsHelp });
  const summary = made("p", "", "note");
  summary.setAttribute("role", "status");
  const basis = made("p", "", "help");
  const own = ownAction({ by, names: () => all.map(({ name }) => name), added });
  const element = made("div");
  element.append(list.element, basis, summary, own.element);

  let all = [];
  let looks = 0; // a look that another has followed tells nothing
  let removedBy = new Map(); // what each action would remove, in words
  let isWhole = false;
  list.onInput(summarise);

  // Read the actions and what would be removed for each, of recent events and of what is activated already.
  async function begin({ flow }, chosen) {
    looks += 1;
    const mine = looks;
    removedBy = new Map();
    isWhole = false;
    say(summary, TEXTS.judging, "note");
    try {
      await readActions(chosen);
      const choices = await choicesOf(flow);
      if (mine !== looks) return;
      for (const { name } of all) {
        const { body } = await consult("/processor/outcomes", { ...choices, marketingActions: [name], beside: {} });
        if (mine !== looks) return;
        removedBy.set(name, body.items.filter((each) => each.removedBy));
        mark(name, body.enforcement);
      }
      isWhole = true;
      summarise();
    } catch (error) {
      if (mine === looks) say(summary, TEXTS.cannotJudge(told(error)), "note warn");
    }
  }

  async function readActions(chosen = list.value()) {
    all = (await read("/processor/marketing-actions")).body.items;
    list.items(all.map(({ name, meaning, isCore }) => ({ value: name, label: name, help: isCore ? meaning : TEXTS.ofYours(meaning) })));
    list.set(chosen);
  }

  async function choicesOf(flow) {
    const mapped = { segments: segmentsOf(flow), attributes: attributesOf(flow) };
    let sample = { events: 0, segments: [], attributes: [] };
    try {
      sample = (await read("/processor/sample")).body;
      say(basis, TEXTS.ofSample(sample.events, sample.segments.length, sample.attributes.length));
    } catch (error) {
      say(basis, TEXTS.noSample(told(error)));
    }
    const segments = [...mapped.segments, ...sample.segments].map(({ namespace, id }) => ({ namespace, id }));
    const attributes = [...mapped.attributes, ...sample.attributes].map(({ path }) => path);
    return { segments: distinct(segments, ({ namespace, id }) => `${namespace} ${id}`), attributes: distinct(attributes, (path) => path) };
  }

  function mark(name, enforcement) {
    const items = removedBy.get(name);
    const blocks = items.length && enforcement === "block" ? ` ${TEXTS.blocks}` : "";
    list.mark(name, items.length ? `${TEXTS.removes(inWords(items))}${blocks}` : TEXTS.nothing, items.length ? "warn" : "quiet");
  }

  function summarise() {
    const chosen = list.value();
    if (!chosen.length) say(summary, TEXTS.chosenNone, "note warn");
    else if (isWhole) {
      const items = distinct(chosen.flatMap((name) => removedBy.get(name) || []), ({ kind, namespace, name }) => `${kind} ${namespace} ${name}`);
      say(summary, TEXTS.chosen(chosen, items.length ? inWords(items) : ""), items.length ? "note warn" : "note good");
    }
  }

  async function added(name, definition) {
    await begin(definition, [...list.value(), name]);
  }

  return {
    element, value: list.value, error: list.error, focus: list.focus,
    begin(definition, chosen) {
      own.begin(definition);
      return begin(definition, chosen);
    },
  };
}

// The form of an action of one's own. `names()` are those that there are; `added(name, definition)` is told once it is kept.
function ownAction({ by, names, added }) {
  const element = made("details");
  const trouble = failures();
  const name = field({ id: "action-name", label: TEXTS.ownName, help: TEXTS.ownNameHelp });
  const purpose = field({ id: "action-purpose", label: TEXTS.ownPurpose, help: TEXTS.ownPurposeHelp, isOptional: true });
  const add = button(TEXTS.add);
  const done = made("p", "", "note");
  done.setAttribute("role", "status");
  element.append(made("summary", TEXTS.own), trouble.element, name.element, purpose.element, add, done);
  let definition = null;

  // Enter in these fields is for this action, not for the step that they lie in.
  for (const { input } of [name, purpose]) {
    input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      add.click();
    });
  }
  add.addEventListener("click", async () => {
    const wrong = wrongActionName(name.value(), names());
    name.error(wrong);
    trouble.clear();
    if (wrong) {
      name.focus();
      return;
    }
    const given = { name: name.value(), ...(purpose.value() ? { description: purpose.value() } : {}) };
    try {
      await during(add, TEXTS.adding, () => put(given, by));
      name.set("");
      purpose.set("");
      say(done, TEXTS.added(given.name));
      await added(given.name, definition);
    } catch (error) {
      if (error instanceof CallFailed && error.kind === "refused") place(error.problem, { "/name": name, "/description": purpose }, trouble);
      else trouble.show(error);
    }
  });
  return { element, begin(now) { definition = now; say(done, ""); } };
}

// Make it, once; where the answer is lost, it is looked for.
function put(given, by) {
  const path = `${CUSTOM}/${encodeURIComponent(given.name)}`;
  const wasKept = async () => {
    try {
      const { body, etag } = await read(path);
      return body.createdUser === by ? { body, etag } : null;
    } catch (error) {
      if (error instanceof CallFailed && error.status === 404) return null;
      throw error;
    }
  };
  return change("PUT", path, given, { wasKept });
}

// What is removed, with its reasons: the first few by name.
function inWords(items) {
  const byReason = new Map();
  for (const item of items) {
    const why = TEXTS.why(item.removedBy);
    byReason.set(why, [...(byReason.get(why) || []), TEXTS.item(item)]);
  }
  return TEXTS.joined([...byReason].map(([why, names]) => {
    const more = names.length > SHOWN ? [TEXTS.more(names.length - SHOWN)] : [];
    return TEXTS.itemWhy(TEXTS.listed([...names.slice(0, SHOWN), ...more]), why);
  }));
}

const distinct = (items, keyOf) => [...new Map(items.map((each) => [keyOf(each), each])).values()];
