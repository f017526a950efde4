// What a call failed with, as a person reads it: one place that says it, and the fields that it is of.

import { CallFailed } from "./requests.js";
import { made } from "./elements.js";
import { WORDS } from "./words/shared.js";

// A failure in words. Throws what is no failure of a call: that is a fault of the page, and nobody is to overlook it.
export function told(error) {
  if (!(error instanceof CallFailed)) throw error;
  const { kind, problem, isKnown, isChange, requestId } = error;
  const detail = problem ? WORDS.remedy(problem.detail, "") : "";
  const unknown = isKnown ? "" : WORDS.failed.unknown;
  if (kind === "lost" && isChange) return isKnown ? WORDS.failed.lostUnkept : WORDS.failed.lost;
  if (kind === "lost") return WORDS.failed.lostRead;
  if (kind === "fault") return joined(detail, WORDS.failed.fault(requestId), unknown);
  if (kind === "refused") return detail || WORDS.failed.refused;
  if (kind === "unavailable") return joined(WORDS.failed.unavailable, detail, unknown);
  return WORDS.failed[kind];
}

const joined = (...sentences) => sentences.filter(Boolean).join(" ");

// A place for failures: it is read out as soon as something is put there. `show(error)`, `say(text)`, `clear()`.
export function failures() {
  const element = made("div", undefined, "failure");
  element.setAttribute("role", "alert");
  element.tabIndex = -1;
  element.hidden = true;
  const put = (...lines) => {
    element.replaceChildren(...lines.map((line) => made("p", line)));
    element.hidden = !lines.length;
  };
  return {
    element,
    show: (error) => put(told(error)),
    say: (...lines) => put(...lines),
    clear: () => put(),
    focus: () => element.focus(),
  };
}
