// The question which marketing actions a target connection is to have: with what each would remove, beside it.

import { segmentKey } from "../names.js";
import { mappedBy } from "../selectors.js";
import { consult, read } from "../calls.js";
import { made, say } from "../elements.js";
import { checks } from "../fields.js";
import { told } from "../trouble.js";
import { WORDS } from "../words/destination.js";
import { actionsOf, isSame } from "./action_names.js";
import { asking } from "./asking.js";
import { carried } from "./carrying.js";
import { previewOf } from "./preview.js";
import { usingFor } from "./wishes.js";

const TEXTS = WORDS.actions;
const NAMED = 3; // of what an action removes; the rest is counted
const SETTLED_MS = 500;

// Ask which they are to be, and have it kept.
export function askForActions({ flow, target }, on) {
  const before = actionsOf(target);
  const list = checks({ id: "destination-actions", label: TEXTS.label, help: TEXTS.help });
  const note = made("p", TEXTS.judging, "note");
  note.setAttribute("role", "status");
  const preview = previewOf(on);
  let isWanted = true;
  const look = () => {
    const chosen = list.value();
    list.note(chosen.length ? "" : TEXTS.none, "warn");
    if (isSame(chosen, before)) preview.say(WORDS.preview.noChange);
    else preview.look(usingFor(target, chosen).request(target), target.etag);
  };
  list.onInput(look, SETTLED_MS);
  judge({ flow, before, list, note, on, isWanted: () => isWanted }).catch((error) => say(note, TEXTS.failed(told(error)), "note warn"));
  preview.say(WORDS.preview.noChange);
  return asking({
    title: TEXTS.title, parts: [note, list.element, preview.element], confirm: TEXTS.confirm, doing: TEXTS.doing, on,
    fields: { "/params/marketingActions": list, "/0": list },
    async act() {
      const chosen = list.value();
      return isSame(chosen, before) ? [] : carried(usingFor(target, chosen));
    },
  }).finally(() => { isWanted = false; });
}

// One after the other: an answer takes a moment, and the one at the top is read first.
async function judge({ flow, before, list, note, on, isWanted }) {
  const all = (await read("/processor/marketing-actions")).body.items;
  const names = all.map(({ name }) => name);
  list.items([
    ...all.map(({ name, meaning, isCore }) => ({ value: name, label: name, help: isCore ? meaning : TEXTS.custom(meaning) })),
    ...before.filter((name) => !names.includes(name)).map((name) => ({ value: name, label: name, help: TEXTS.unknown })),
  ]);
  list.set(before);
  const mapped = mappedBy(flow);
  const nameOf = ({ kind, namespace, name }) => (kind === "segment" ? on.nameOf(segmentKey({ namespace, id: name })) : null) || name;
  for (const name of names) {
    if (!isWanted()) return;
    const { body } = await consult("/processor/outcomes", { ...asked(mapped), marketingActions: [name] });
    const removed = body.items.filter(({ removedBy }) => removedBy);
    const shown = removed.slice(0, NAMED).map((item) => nameOf(item));
    const policies = [...new Set(removed.map(({ removedBy }) => removedBy.policy))];
    list.mark(name, removed.length ? TEXTS.removes(shown, removed.length - shown.length, policies) : TEXTS.removesNothing, removed.length ? "warn" : "quiet");
  }
  say(note, "");
}

// What is mapped, as the outcomes of it are asked for.
export const asked = ({ segments, attributes }) => ({
  segments: [...segments.values()].map(({ namespace, id }) => ({ namespace, id })), attributes: [...attributes.keys()],
});
