// The destination: what is in force, who changed what, and the changes that are made of it here. There is one where somebody is
// signed in.

import { load, onChange, onReading } from "../definition.js";
import { made, say } from "../elements.js";
import { currentSession } from "../token.js";
import { failures, told } from "../trouble.js";
import { WORDS } from "../words/destination.js";
import { WORDS as SHARED } from "../words/shared.js";
import { progressOf } from "./backfill.js";
import { cardOf } from "./card.js";
import { historyOf } from "./history.js";
import { mappedOf } from "./mapped.js";
import { segmentNames } from "./segment_names.js";

const LOOK_EVERY_MS = 10000;

let shown = null;

export const VIEW = {
  name: "destination",
  mount(root) { shown = destination(root); },
  show: () => shown.show(),
  hide: () => shown.hide(),
};

function destination(root) {
  const [intro, note, empty] = [made("p", WORDS.loading, "quiet"), made("p", "", "warn"), made("div")];
  const trouble = failures();
  const done = made("div", undefined, "told");
  done.setAttribute("role", "status");
  done.tabIndex = -1;
  const names = segmentNames();
  const on = {
    nameOf: (key) => names.of(key),
    mayChange: () => Boolean(currentSession() && currentSession().mayChange),
    tell(words) {
      trouble.clear();
      done.replaceChildren(...words.map((each) => made("p", each)));
      done.focus(); // what had it may be gone in a moment
      look();
    },
    fail(error) {
      done.replaceChildren();
      trouble.show(error);
      trouble.focus();
    },
  };
  // An outcome depends on labels and policies as well, whose changes the history tells of.
  const [card, progress, mapped, history] = [cardOf(on), progressOf(), mappedOf(on), historyOf(judge)];
  const whole = made("div");
  whole.append(card.element, progress.element, mapped.element);
  root.append(made("h2", WORDS.title), intro, note, trouble.element, done, empty, whole, history.element);
  whole.hidden = true;
  const ends = [];

  function show() {
    hide();
    const timer = setInterval(() => { if (!document.hidden) history.look(); }, LOOK_EVERY_MS);
    ends.push(onChange(take), onReading(read), progress.begin(), () => clearInterval(timer));
    look();
  }

  function hide() {
    for (const end of ends.splice(0)) end();
  }

  // What went wrong with reading is told by `read`.
  function look() {
    load().catch(told);
    history.look();
  }

  function read(error) {
    say(note, error ? WORDS.notRead(told(error)) : on.mayChange() ? "" : SHARED.readsOnly);
    if (error && whole.hidden) say(intro, "");
  }

  function take(found) {
    say(intro, found.flow ? WORDS.intro : "");
    whole.hidden = found.flow === null;
    empty.replaceChildren(...(found.flow ? [] : nothing(found)));
    if (!found.flow) return;
    names.take(found.flow);
    card.take(found);
    mapped.take(found);
    names.look(() => mapped.show());
    judge();
  }

  function judge() {
    mapped.judge(({ enforcement }) => card.enforce(enforcement));
  }

  return { show, hide };
}

function nothing({ bases, targets }) {
  const isBegun = bases.length + targets.length > 0;
  const link = made("a", isBegun ? WORDS.goOn : WORDS.connect, "button main");
  link.href = "#connect";
  return [made("p", isBegun ? WORDS.begun : WORDS.nothing), link];
}
