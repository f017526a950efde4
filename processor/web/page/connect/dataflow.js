// The Dataflow step: what is made or changed, call by call, and what became of each.

import { CallFailed } from "../calls.js";
import { conflict } from "../conflict.js";
import { load, refresh } from "../definition.js";
import { button } from "../dialogs.js";
import { made, say } from "../elements.js";
import { segmentsOf } from "../selectors.js";
import { failures, told } from "../trouble.js";
import { WORDS } from "../words/connect.js";
import { actionsOf, operationsFor, wantedOfFlow, wantedOfTarget } from "./objects.js";
import { setUp } from "./setting_up.js";

const TEXTS = WORDS.dataflow;
const PARTS = ["base", "platform", "source", "target", "flow"];

// The step, for steps.js, with `run(answers, had)` and `isDone()`: `had` is what was there as the answers were given. `by` is whose token it is;
// `refused(problem)` goes back to where it can be mended, `back()` to the step before, `leave(definition)` to the catalogue.
export function dataflowStep({ by, back, refused, leave, go }) {
  const element = made("div");
  const list = made("ol", undefined, "calls");
  const states = new Map(PARTS.map((part) => {
    const line = made("li");
    const state = made("span", "", "quiet");
    line.append(made("b", TEXTS.parts[part]), state);
    list.append(line);
    return [part, state];
  }));
  const trouble = failures();
  const end = made("div", undefined, "told");
  end.setAttribute("role", "status");
  const before = button(WORDS.back);
  const again = button(TEXTS.tryAgain, "main");
  const [activate, destination] = [button(TEXTS.activate, "main"), button(TEXTS.destination)];
  const row = made("div", undefined, "buttons");
  row.append(before, again, destination, activate);
  element.append(made("p", TEXTS.intro), list, trouble.element, end, row);
  activate.addEventListener("click", () => go("activate"));
  destination.addEventListener("click", () => go("destination"));
  before.addEventListener("click", back);

  let answers = null;
  let had = null;
  const ours = new Set(); // etags of what this tab has seen or made, which is no other's doing when it goes on
  let isRunning = false;
  let isDone = false;
  again.addEventListener("click", () => attempt());

  function tell(part, state) {
    if (state.object) ours.add(state.object.etag);
    const [text, kind] = stateWords(state);
    say(states.get(part), text, kind);
  }

  function arrange(stage) {
    isDone = stage === "done";
    before.hidden = stage !== "failed";
    again.hidden = stage !== "failed";
    activate.hidden = stage !== "done";
    destination.hidden = stage !== "done";
  }

  async function attempt() {
    if (isRunning) return;
    isRunning = true;
    trouble.clear();
    end.replaceChildren();
    arrange("running");
    for (const part of PARTS) tell(part, { name: "waits" });
    try {
      await inForce();
    } catch (error) {
      if (!(error instanceof CallFailed)) throw error;
      await failed(error);
    } finally {
      isRunning = false;
    }
  }

  // What somebody else has changed since the answers were given is not undone unasked.
  async function inForce() {
    for (let isAsked = true; isAsked;) {
      const now = await load();
      if (isOvertaken(had, now, answers, ours)) {
        if (await conflict({ had: summary(had), now: summary(now), wanted: wantedSummary(answers) }) === "leave") return leave(now);
        had = now;
      }
      isAsked = false;
      try {
        await setUp(answers, now, by, tell);
        done(now);
      } catch (error) {
        if (!(error instanceof CallFailed) || error.kind !== "conflict") throw error;
        isAsked = true;
      }
    }
  }

  function done(before) {
    refresh();
    const { name, stream, region } = answers;
    const words = segmentsOf(before.flow).length ? TEXTS.doneActive : TEXTS.doneWords;
    end.replaceChildren(made("h4", TEXTS.done), made("p", words(name, stream, region)));
    arrange("done");
    activate.focus();
  }

  async function failed(error) {
    arrange("failed");
    for (const state of states.values()) if (state.textContent === TEXTS.waits) say(state, TEXTS.notSent);
    if (error.kind === "refused" && error.problem) refused(error.problem);
    else {
      trouble.say(told(error));
      end.replaceChildren(made("h4", TEXTS.brokenOff), made("p", TEXTS.brokenWords));
      trouble.focus();
    }
  }

  return {
    title: WORDS.steps.dataflow, element,
    isDone: () => isDone,
    run(given, definition) {
      answers = given;
      had = definition;
      return attempt();
    },
  };
}

function stateWords({ name, isNew, error }) {
  if (name === "waits") return [TEXTS.waits, "quiet"];
  if (name === "running") return [TEXTS.running, "quiet"];
  if (name === "there") return [TEXTS.there, "quiet"];
  if (name === "failed") return [error.isKnown ? TEXTS.failed(told(error)) : TEXTS.notKnown(told(error)), "bad"];
  const [heard, unheard] = isNew ? [TEXTS.made, TEXTS.madeUnheard] : [TEXTS.changed, TEXTS.changedUnheard];
  return name === "kept" ? [heard, "good"] : [unheard, "warn"];
}

// Whether what the answers are of has changed meanwhile, and not to what they want. What this tab itself has kept agrees with them.
function isOvertaken(had, now, answers, ours) {
  const { flow, target } = now;
  const isOther = (part) => now[part] && (!had[part] || had[part].etag !== now[part].etag) && !ours.has(now[part].etag);
  const isTarget = isOther("target") && operationsFor(target, wantedOfTarget(target, answers, answers.base.id)).length > 0;
  const isFlow = isOther("flow") && operationsFor(flow, wantedOfFlow(answers, flow.sourceConnectionIds[0], flow.targetConnectionIds[0])).length > 0;
  return Boolean(isTarget || isFlow);
}

// What a person knows of a set-up, by its name there.
const summary = ({ flow, target }) => inWords({
  name: flow && flow.name, description: flow && flow.description, stream: target && target.params.stream, region: target && target.params.region,
  actions: actionsOf(target),
});
const wantedSummary = (answers) => inWords(answers);

function inWords({ name, description, stream, region, actions }) {
  const { authentication, account } = WORDS;
  return {
    [authentication.name]: name || "", [authentication.description]: description || "", [authentication.stream]: stream || "",
    [account.region]: region || "", [authentication.actions]: actions.join(", "),
  };
}
