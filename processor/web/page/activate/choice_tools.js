// What a step of choices is searched and narrowed with, and how many choices that leaves.

import { made, say } from "../elements.js";
import { field } from "../fields.js";

const DEBOUNCE_MS = 120;

// `texts` has search, searchHelp, show and filters; `refilter` is told where another search or filter is wanted.
export function choiceTools({ id, texts, refilter }) {
  const element = made("div", undefined, "tools");
  const search = field({ id: `${id}-search`, label: texts.search, help: texts.searchHelp, kind: "search" });
  const label = made("label", texts.show, "filter");
  const select = made("select");
  for (const [value, text] of Object.entries(texts.filters)) {
    const option = made("option", text);
    option.value = value;
    select.append(option);
  }
  label.append(select);
  const shown = made("output", undefined, "quiet");
  element.append(search.element, label, shown);
  element.role = "search";
  search.onInput(refilter, DEBOUNCE_MS);
  select.addEventListener("change", refilter);
  return {
    element,
    search: () => search.value(),
    filter: () => select.value,
    say: (text) => say(shown, text),
  };
}
