// What becomes of the change after it was kept, until its backfill ends.

import { figures, list, made, say } from "../elements.js";
import { WORDS } from "../words/activate.js";

const TEXTS = WORDS.progress;
const ENDED = new Set(["complete", "nothing", "idle", "due"]);

// `onStatus` tells a listener of each status, and returns what ends that.
export function progressOf({ onStatus, more }) {
  const element = made("div", undefined, "progress");
  const kept = made("p", undefined, "good");
  const stage = made("p");
  stage.role = "status"; // told when the stage is another; how far it is would be told every two seconds
  const far = made("p");
  const bar = made("progress");
  const numbers = made("ul", undefined, "figures");
  const links = made("p", undefined, "buttons");
  links.append(link("#status", TEXTS.toStatus), link("#destination", TEXTS.toDestination), more);
  bar.ariaLabel = TEXTS.bar;
  const heading = made("h3", TEXTS.heading);
  heading.tabIndex = -1;
  const reasons = made("ul", undefined, "notes");
  element.append(heading, kept, stage, bar, far, numbers, reasons, made("p", TEXTS.members, "quiet"), links);
  let leave = () => {};

  // `took` makes of a status what there is to tell, as `following` does.
  function begin(took, words) {
    leave();
    say(kept, TEXTS.kept(words));
    heading.focus();
    let last = null;
    leave = onStatus((status) => {
      const found = took(status);
      last = found.stage;
      show(found);
      if (ENDED.has(last) && last !== "due" && !found.isPassing) queueMicrotask(() => leave());
    });
  }

  function show(found) {
    const isRunning = found.stage === "running";
    const text = TEXTS.stages[found.stage](found);
    say(stage, isRunning ? TEXTS.isRunning : text, found.stage === "complete" || found.stage === "nothing" ? "good" : found.stage === "due" ? "warn" : "");
    say(far, isRunning ? text : "");
    bar.hidden = !isRunning && found.stage !== "complete";
    bar.value = found.stage === "complete" ? 1 : found.share || 0;
    const isCounted = found.profiles !== undefined && (isRunning || found.stage === "complete");
    figures(numbers, isCounted ? TEXTS.figures(found) : []);
    list(reasons, Object.entries(found.reasons || {}).map(([what, why]) => ({ key: what, text: TEXTS.reason(what, why), kind: "warn" })));
    element.dataset.stage = found.stage;
  }

  return { element, begin, leave: () => leave() };
}

function link(place, text) {
  const element = made("a", text);
  element.href = place;
  return element;
}
