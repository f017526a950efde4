// What a step of choices is searched and narrowed with, and how many choices that leaves.

import { made, say } from "../elements.js";
import { field } from "../fields.js";

const DEBOUNCE_MS = 120;

// `texts` has search, searchHelp, show and filters; `refilter` is told where another search or filter is wanted.
export function choiceTools({ id, texts, refilter }) {
  const element = made("div", undefined, "tools");
  element.role = "search";
  const search = field({ id: `${id}-search`, label: texts.search, help: texts.searchHelp, kind: "search" });
  const options = Object.entries(texts.filters).map(([value, label]) => ({ value, label }));
  const filter = field({ id: `${id}-filter`, label: texts.show, kind: "select", options });
  const shown = made("p", "", "quiet");
  shown.role = "status";
  element.append(search.element, filter.element, shown);
  search.onInput(refilter, DEBOUNCE_MS);
  filter.onInput(refilter);
  return {
    element,
    search: () => search.value(),
    filter: () => filter.value(),
    say: (text) => say(shown, text),
  };
}
