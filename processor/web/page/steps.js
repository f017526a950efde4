// Steps one after the other, one shown at a time. What was typed stays: a step that is left is hidden, not made anew.

import { made, say } from "./elements.js";
import { WORDS } from "./words/shared.js";

// Steps [{title, element, enter}]: {element, show(index), index()}. `enter`, where there is one, is called as a step is shown.
// The heading of the step that is shown gets the focus, unless `isQuiet`.
export function steps(all, label = WORDS.steps) {
  const element = made("div", undefined, "steps");
  const row = made("ol", undefined, "step-row");
  row.setAttribute("aria-label", label);
  let current = -1;
  const parts = all.map(({ title, element: content }, place) => {
    const mark = made("li", title);
    row.append(mark);
    const section = made("section");
    const heading = made("h3", title);
    heading.tabIndex = -1;
    const spoken = made("span", `${WORDS.stepOf(place + 1, all.length, "")}`, "only-heard");
    heading.prepend(spoken);
    section.append(heading, content);
    section.hidden = true;
    return { mark, section, heading };
  });
  element.append(row, ...parts.map(({ section }) => section));
  return {
    element,
    index: () => current,
    show(index, isQuiet = false) {
      current = index;
      parts.forEach(({ mark, section }, place) => {
        section.hidden = place !== index;
        mark.className = place < index ? "done" : "";
        if (place === index) mark.setAttribute("aria-current", "step");
        else mark.removeAttribute("aria-current");
      });
      if (all[index].enter) all[index].enter();
      if (!isQuiet) parts[index].heading.focus();
    },
    rename(index, title) { say(parts[index].mark, title); },
  };
}
