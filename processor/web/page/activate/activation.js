// The activation: what is chosen, step by step, kept by one call, and followed until its backfill has ended.

import { change, consult, read } from "../calls.js";
import { conflict } from "../conflict.js";
import { FLOW_SERVICE, load } from "../definition.js";
import { button, during } from "../dialogs.js";
import { made, say } from "../elements.js";
import { lastStatus, onStatus } from "../events.js";
import { steps } from "../steps.js";
import { failures, told } from "../trouble.js";
import { WORDS } from "../words/activate.js";
import { WORDS as SHARED } from "../words/shared.js";
import { attributesStep } from "./attributes.js";
import { draftOf } from "./draft.js";
import { backfillsOf, following } from "./following.js";
import { governanceBy } from "./governance.js";
import { progressOf } from "./progress.js";
import { reviewStep } from "./review.js";
import { sampleNote } from "./sample_note.js";
import { segmentsStep } from "./segments.js";
import { mappedBy } from "./selectors.js";
import { described } from "./described.js";

const REVIEW = 2;

// The activation of the flow that is in force, in an element of its own: {element, take(found), leave()}. `take` is given what is in
// force, whenever that is another.
export function activationOf(found, mayChange) {
  const state = {
    draft: draftOf(found.flow, found.flowEtag), sample: null, mayChange,
    nameOf: (key) => names.get(key) || key,
  };
  const names = new Map();
  const element = made("div");
  const trouble = failures();
  const banner = made("div", undefined, "told");
  const governance = governanceBy(async (wanted) => (await consult("/processor/outcomes", wanted)).body);
  const segments = segmentsStep(state, governance);
  const attributes = attributesStep(state, governance);
  const review = reviewStep(state, { preview, onNews: showButtons, onConflict: showBanner });
  const order = [segments, attributes, review];
  const row = steps([
    { title: WORDS.steps.segments, element: segments.element, enter: () => enter(segments) },
    { title: WORDS.steps.attributes, element: attributes.element, enter: () => enter(attributes) },
    { title: WORDS.steps.review, element: review.element, enter: () => enter(review) },
  ]);
  const counts = made("p", "", "counts");
  counts.role = "status";
  const [back, next, finish, again, more] = [
    button(WORDS.back), button("", "main"), button(WORDS.review.finish, "main"), button(WORDS.review.again), button(WORDS.progress.more)];
  const ends = made("div", undefined, "buttons");
  ends.append(back, next, finish, again);
  const sampled = sampleNote({ read: readSample, onSample: (sample) => { state.sample = sample; remember(); refilter(); } });
  const choosing = made("div");
  choosing.append(sampled.element, banner, row.element, trouble.element, counts, ends);
  const progress = progressOf({ onStatus, more });
  progress.element.hidden = true;
  element.append(choosing, progress.element);
  let shown = segments;
  let latest = found;
  let isUnderWay = false;

  back.addEventListener("click", () => row.show(row.index() - 1));
  next.addEventListener("click", () => row.show(row.index() + 1));
  again.addEventListener("click", () => review.look());
  finish.addEventListener("click", () => keepIt());
  more.addEventListener("click", () => begin());
  governance.onNews(() => { if (shown.update) shown.update(); say(governed, governedWords()); });
  const governed = made("p", "", "warn");
  banner.after(governed);
  observe();
  remember();
  row.show(0, true);
  sampled.look();

  function observe() {
    state.draft.onChange(() => {
      remember();
      if (shown.update) shown.update();
      lookAtGovernance();
      showButtons();
    });
  }

  function enter(step) {
    shown = step;
    trouble.clear();
    if (step === review) review.look();
    else refilter();
    showButtons();
  }

  function refilter() {
    if (shown === review) return;
    shown.refilter();
    shown.update();
    lookAtGovernance();
  }

  function lookAtGovernance() {
    if (shown !== review) governance.look(state.draft, shown === segments ? "segments" : "attributes", shown.candidates());
  }

  function remember() {
    const { removed } = state.draft.changes().segments;
    for (const each of [...segments.candidates(), ...state.draft.chosen("segments"), ...removed]) if (each.name) names.set(each.key, each.name);
  }

  function governedWords() {
    const failure = governance.failure();
    return failure ? WORDS.governance.failed(told(failure)) : governance.isBlocking() ? WORDS.governance.block : "";
  }

  function showButtons() {
    const index = order.indexOf(shown);
    const changes = Object.values(state.draft.changes());
    const total = (of) => changes.reduce((sum, each) => sum + each[of].length, 0);
    say(counts, `${WORDS.chosen({ segments: state.draft.chosen("segments").length, attributes: state.draft.chosen("attributes").length })} ${
      WORDS.changes({ added: total("added"), removed: total("removed") })}`);
    back.hidden = index === 0;
    next.hidden = index === REVIEW;
    finish.hidden = again.hidden = index !== REVIEW;
    if (index < REVIEW) say(next, [WORDS.next.segments, WORDS.next.attributes][index]);
    if (isUnderWay) return;
    finish.disabled = !review.mayFinish();
    again.disabled = !state.draft.isChanged();
  }

  async function readSample(isAnew) {
    return (await read(`/processor/sample${isAnew ? "?refresh=true" : ""}`)).body;
  }

  const flowPath = () => `${FLOW_SERVICE}/flows/${encodeURIComponent(state.draft.flow().id)}`;

  async function preview() {
    const { body } = await consult("/processor/previews", {
      method: "PATCH", path: `/data/foundation${flowPath()}`, body: state.draft.patch(), ifMatch: state.draft.etag(),
    });
    return body;
  }

  async function keepIt() {
    trouble.clear();
    const { draft } = state;
    const before = backfillsOf(lastStatus());
    const wanted = expectations();
    let failure = null;
    let kept = null;
    isUnderWay = true;
    back.disabled = again.disabled = true;
    try {
      kept = await during(finish, WORDS.review.finishing, () => (
        change("PATCH", flowPath(), draft.patch(), { ifMatch: draft.etag(), wasKept })));
    } catch (error) {
      failure = error;
    } finally {
      isUnderWay = false;
      back.disabled = false;
      showButtons();
    }
    if (failure) await failed(failure);
    else await ended(following(before, wanted), SHARED.kept[kept.was]);
  }

  function expectations() {
    const { segments: of, attributes: and } = state.draft.changes();
    const all = (name) => [...of[name].map(({ key }) => `segment ${key}`), ...and[name].map(({ key }) => `attribute ${key}`)];
    const isIdle = !state.draft.chosen("segments").length || state.draft.flow().state === "disabled";
    return { mapped: [...all("added"), ...all("kept")], unmapped: all("removed"), isDue: review.isDue(), isIdle };
  }

  async function wasKept() {
    const { flow, flowEtag } = await load();
    if (!flow || flowEtag === state.draft.etag()) return null;
    const is = mappedBy(flow);
    const isAsWanted = ["segments", "attributes"].every((kind) => (
      is[kind].size === state.draft.chosen(kind).length && state.draft.chosen(kind).every(({ key }) => is[kind].has(key))));
    return isAsWanted ? { body: { id: flow.id, etag: flowEtag }, etag: flowEtag } : null;
  }

  async function failed(error) {
    if (error.kind === "conflict") await differ({ isToBeKept: true });
    else if (error.kind === "refused" && error.problem) {
      review.refuse(error.problem);
      trouble.say(WORDS.review.failed(told(error)));
    } else trouble.show(error);
    if (!trouble.element.hidden) trouble.focus();
  }

  // Somebody else has changed the flow: what differs is shown, and asked what to do.
  async function differ({ isToBeKept }) {
    let now;
    try {
      now = await load();
    } catch (error) {
      trouble.show(error);
      return;
    }
    latest = now;
    if (!now.flow) {
      trouble.say(WORDS.noFlow);
      return;
    }
    const { draft } = state;
    const answer = await conflict({
      had: described(draft.flow()), now: described(now.flow), wanted: described(now.flow, draft.wantedOn(now.flow)) });
    draft.moveTo(now.flow, now.flowEtag);
    showBanner();
    if (answer === "again" && isToBeKept && draft.isChanged()) await keepIt();
    else if (shown === review) {
      await review.look();
      if (answer === "leave") review.say(WORDS.review.left);
    } else refilter();
  }

  function showBanner() {
    const isAnother = latest.flow && latest.flowEtag !== state.draft.etag();
    banner.replaceChildren();
    if (isAnother) {
      const show = button(WORDS.showDifference);
      show.addEventListener("click", () => differ({ isToBeKept: false }));
      banner.append(made("p", WORDS.changedElsewhere), show);
    }
  }

  async function ended(took, words) {
    choosing.hidden = true;
    progress.element.hidden = false;
    progress.begin(took, words);
    try {
      const now = await load();
      if (now.flow) take(now);
    } catch (error) {
      trouble.show(error); // the change is kept; what is in force now is read again by and by
    }
  }

  function begin() {
    progress.leave();
    progress.element.hidden = true;
    choosing.hidden = false;
    row.show(0);
  }

  // What is in force is another by now: what was chosen stands beside it, where something was; else it is taken as it is.
  function take(now) {
    latest = now;
    if (now.flow && now.flowEtag !== state.draft.etag() && !isUnderWay
      && (!state.draft.isChanged() || !progress.element.hidden)) {
      state.draft.moveTo(now.flow, now.flowEtag);
    }
    showBanner();
  }

  return { element, take, leave: () => progress.leave(), flowId: () => state.draft.flow().id };
}
