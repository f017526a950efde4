// The last step before the change: what it does, as the service says.

import { made, say } from "../elements.js";
import { told } from "../trouble.js";
import { WORDS } from "../words/activate.js";
import { differences } from "./differences.js";
import { showBackfill, showExamples, showLines } from "./foreseen.js";
import { keyOf } from "./governance.js";

const TEXTS = WORDS.review;
const FORESEEN = ["refused", "governance", "withoutEffect", "backfill", "examples"];

// `preview()` returns what the service says the change of `state.draft` does. `onNews` is told where it may be finished, or not any more;
// `onConflict` where the flow is another by now.
export function reviewStep(state, { preview, onNews, onConflict }) {
  const element = made("div", undefined, "review");
  const news = made("p");
  news.role = "status";
  const leadsTo = made("p", "", "quiet");
  element.append(leadsTo, news);
  const parts = Object.fromEntries(["refused", "changes", ...FORESEEN.slice(1)].map((name) => {
    const section = made("section");
    section.append(made("h4", TEXTS[name]), made("div"));
    element.append(section);
    return [name, section];
  }));
  const place = (name) => parts[name].lastElementChild;
  let turn = 0;
  let mayFinish = false;

  async function look() {
    turn += 1;
    const mine = turn;
    mayFinish = false;
    for (const name of FORESEEN) parts[name].hidden = true;
    place("changes").replaceChildren(...differences(state.draft.changes(), { hasSegments: state.draft.chosen("segments").length > 0 }));
    say(leadsTo, state.target ? TEXTS.leadsTo(state.draft.flow().name, state.target.params) : "");
    say(news, state.draft.isChanged() ? TEXTS.looking : TEXTS.unchanged);
    onNews();
    if (!state.draft.isChanged()) return;
    let found = null;
    let failure = null;
    try {
      found = await preview();
    } catch (error) {
      failure = error;
    }
    if (mine !== turn) return;
    if (failure) showFailure(failure);
    else showForeseen(found);
    onNews();
  }

  function showForeseen({ report, idle, items, sample, backfill, exports }) {
    mayFinish = true;
    say(news, sample.profiles ? TEXTS.sampled(sample) : WORDS.sample.empty);
    const removed = items.filter(({ removedBy }) => removedBy);
    showLines(place("governance"), removed.length ? removed.map(removal) : [TEXTS.noRemoval], removed.length ? "warn" : "");
    const without = report.withoutEffect || [];
    showLines(place("withoutEffect"), without.map(TEXTS.refusedItem), "warn");
    showBackfill(place("backfill"), backfill, { idle, nameOf: state.nameOf });
    showExamples(place("examples"), exports);
    for (const name of ["governance", "backfill", "examples"]) parts[name].hidden = false;
    parts.withoutEffect.hidden = !without.length;
  }

  // What the change itself would be refused with is no reason to send it; what else fails is none against it.
  function showFailure(error) {
    const text = told(error);
    mayFinish = error.kind !== "refused";
    if (error.kind === "conflict") onConflict();
    if (error.kind === "refused") showRefusal(error.problem);
    say(news, error.kind === "refused" ? "" : error.kind === "conflict" ? WORDS.changedElsewhere : TEXTS.notForeseen(text));
  }

  function showRefusal(problem) {
    const { errors = [], violations = [] } = problem?.report || {};
    const lines = [...errors.map(TEXTS.refusedItem), ...violations.map((each) => TEXTS.violation(each))];
    showLines(place("refused"), lines.length ? lines : [problem?.detail || ""], "bad");
    parts.refused.hidden = false;
  }

  const removal = (item) => TEXTS.removal({ ...item, kind: TEXTS.kinds[item.kind], name: state.nameOf(keyOf(item)) });

  return {
    element, look,
    mayFinish: () => mayFinish && state.mayChange,
    say: (text, kind) => say(news, text, kind || ""),
    refuse(problem) {
      mayFinish = false;
      showRefusal(problem);
      onNews();
    },
  };
}
