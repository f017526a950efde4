// The activation: what is chosen, step by step, kept by one call, and followed until its backfill has ended.

import { consult, read } from "../calls.js";
import { load } from "../definition.js";
import { button, during } from "../dialogs.js";
import { made, say } from "../elements.js";
import { onStatus } from "../events.js";
import { heldWhile } from "../leaving.js";
import { steps } from "../steps.js";
import { failures, told } from "../trouble.js";
import { WORDS } from "../words/activate.js";
import { WORDS as SHARED } from "../words/shared.js";
import { attributesStep } from "./attributes.js";
import { draftOf } from "./draft.js";
import { differing, flowPath, keepDraft } from "./finishing.js";
import { governanceBy } from "./governance.js";
import { progressOf } from "./progress.js";
import { reviewStep } from "./review.js";
import { sampleNote } from "./sample_note.js";
import { segmentsStep } from "./segments.js";

const REVIEW = 2;

// The activation of the flow that is in force, in an element of its own. `take` is given what is in force whenever that is another;
// `leave` ends what it follows.
export function activationOf(found, mayChange) {
  const names = new Map();
  const state = {
    draft: draftOf(found.flow, found.flowEtag), target: found.target, sample: null, mayChange, nameOf: (key) => names.get(key) || key,
  };
  const [element, choosing] = [made("div"), made("div")];
  const banner = made("div", undefined, "told");
  const governed = made("p", "", "warn");
  const trouble = failures();
  const governance = governanceBy(async (wanted) => (await consult("/processor/outcomes", wanted)).body);
  const segments = segmentsStep(state, governance);
  const attributes = attributesStep(state, governance);
  const review = reviewStep(state, { preview, onNews: showEnds, onConflict: showBanner });
  const order = [segments, attributes, review];
  const row = steps(["segments", "attributes", "review"].map((name, index) => (
    { title: WORDS.steps[name], element: order[index].element, enter: () => enter(order[index]) })));
  const counts = made("p");
  counts.role = "status";
  const [back, next, finish, again, more] = [
    button(WORDS.back), button("", "main"), button(WORDS.review.finish, "main"), button(WORDS.review.again), button(WORDS.progress.more)];
  const [ends, buttons] = [made("div", undefined, "ends"), made("div", undefined, "buttons")];
  const sampled = sampleNote({
    read: async (isAnew) => (await read(`/processor/sample${isAnew ? "?refresh=true" : ""}`)).body,
    onSample(sample) {
      state.sample = sample;
      remember();
      if (shown !== review) enter(shown);
    },
  });
  const progress = progressOf({ onStatus, more });
  let shown = segments;
  let latest = found;
  let isUnderWay = false;

  buttons.append(back, next, finish, again);
  ends.append(counts, buttons);
  choosing.append(sampled.element, banner, governed, row.element, trouble.element, ends);
  progress.element.hidden = true;
  element.append(choosing, progress.element);
  back.addEventListener("click", () => row.show(row.index() - 1));
  next.addEventListener("click", () => row.show(row.index() + 1));
  again.addEventListener("click", () => review.look());
  finish.addEventListener("click", () => finishIt());
  more.addEventListener("click", () => begin());
  governance.onNews(() => {
    if (shown !== review) shown.update();
    const failure = governance.failure();
    say(governed, failure ? WORDS.governance.failed(told(failure)) : governance.isBlocking() ? WORDS.governance.block : "");
  });
  state.draft.onChange(() => {
    remember();
    if (shown !== review) shown.update();
    lookAtGovernance();
    showEnds();
  });
  const release = heldWhile(() => element.isConnected && (isUnderWay || (!choosing.hidden && state.draft.isChanged())));
  remember();
  showBanner();
  row.show(0, true);
  sampled.look();

  function enter(step) {
    shown = step;
    trouble.clear();
    if (step === review) review.look();
    else {
      step.refilter();
      lookAtGovernance();
    }
    showEnds();
  }

  function lookAtGovernance() {
    const nothing = { segments: [], attributes: [] };
    if (shown !== review) governance.look(state.draft, { ...nothing, [shown.kind]: shown.candidates() });
  }

  // Names stay known, also of what is chosen no more.
  function remember() {
    for (const { key, name } of segments.candidates()) if (name) names.set(key, name);
  }

  function showEnds() {
    const index = order.indexOf(shown);
    const changes = Object.values(state.draft.changes());
    const total = (of) => changes.reduce((sum, each) => sum + each[of].length, 0);
    const chosen = WORDS.chosen({ segments: state.draft.chosen("segments").length, attributes: state.draft.chosen("attributes").length });
    say(counts, `${chosen} ${WORDS.changes({ added: total("added"), removed: total("removed") })}`);
    back.hidden = index === 0;
    next.hidden = index === REVIEW;
    finish.hidden = again.hidden = index !== REVIEW;
    if (index < REVIEW) say(next, [WORDS.next.segments, WORDS.next.attributes][index]);
    back.disabled = isUnderWay;
    again.disabled = isUnderWay || !state.draft.isChanged();
    if (!isUnderWay) finish.disabled = !review.mayFinish();
  }

  async function preview() {
    const { draft } = state;
    const wanted = { method: "PATCH", path: `/data/foundation${flowPath(draft)}`, body: draft.patch(), ifMatch: draft.etag() };
    return (await consult("/processor/previews", wanted)).body;
  }

  async function finishIt() {
    trouble.clear();
    isUnderWay = true;
    showEnds();
    let failure = null;
    let kept = null;
    try {
      kept = await during(finish, WORDS.review.finishing, () => keepDraft(state.draft));
    } catch (error) {
      failure = error;
    }
    isUnderWay = false;
    showEnds();
    if (failure) await failed(failure);
    else await follow(kept);
  }

  async function failed(error) {
    if (error.kind === "conflict") {
      await differ(finishIt);
      return;
    }
    if (error.kind === "refused") review.refuse(error.problem);
    trouble.show(error);
    trouble.focus();
  }

  // Somebody else has changed the flow: what differs is shown. `goOn` is done where the draft is wanted on what is there now.
  async function differ(goOn) {
    try {
      const answer = await differing(state.draft);
      if (answer === null) trouble.say(WORDS.noFlow);
      else if (answer === "again" && state.draft.isChanged()) await goOn();
      else await lookAnew();
      if (answer === "leave" && shown === review) review.say(WORDS.review.left);
    } catch (error) {
      trouble.show(error);
    }
    showBanner();
  }

  // What is mapped is another by now.
  async function lookAnew() {
    if (shown === review) await review.look();
    else shown.refilter();
  }

  function showBanner() {
    const isAnother = latest.flow && latest.flowEtag !== state.draft.etag();
    if (isAnother === (banner.children.length > 0)) return;
    banner.replaceChildren();
    if (!isAnother) return;
    const show = button(WORDS.showDifference);
    show.addEventListener("click", () => differ(lookAnew));
    banner.append(made("p", WORDS.changedElsewhere), show);
  }

  async function follow({ took, was }) {
    choosing.hidden = true;
    progress.element.hidden = false;
    progress.begin(took, SHARED.kept[was]);
    try {
      take(await load());
    } catch (error) {
      told(error); // the change is kept; what is in force is read again by and by
    }
  }

  function begin() {
    progress.leave();
    progress.element.hidden = true;
    choosing.hidden = false;
    row.show(0);
  }

  // Beside what was chosen and is not kept yet, what is in force now stands as it was; else it is taken as it is.
  function take(now) {
    latest = now;
    state.target = now.target;
    const isKept = !progress.element.hidden;
    if (now.flow && now.flowEtag !== state.draft.etag() && !isUnderWay && (isKept || !state.draft.isChanged())) {
      state.draft.moveTo(now.flow, now.flowEtag);
      lookAnew();
    }
    showBanner();
  }

  // The activation is no more.
  function leave() {
    release();
    progress.leave();
  }

  return { element, take, leave, flowId: () => state.draft.flow().id };
}
