// A line of the tree: a branch or an attribute, with what the sample has of it and what governance makes of it.

import { made, say } from "../elements.js";
import { WORDS } from "../words/activate.js";
import { outcomeCell } from "./outcome.js";
import { mappingCell } from "./mapping.js";

const KIND = "attributes";
const TEXTS = WORDS.attributes;

// `isOpen`, `toggle`, `choose` and `drop` take a path; `mayToggle` is whether branches may be opened and closed now.
export function branchLine({ state, governance, isOpen, mayToggle, toggle, choose, drop }) {
  function make() {
    const row = made("div", undefined, "line");
    const opener = made("button", undefined, "opener");
    opener.type = "button";
    const label = made("label", undefined, "pick");
    const box = made("input");
    box.type = "checkbox";
    label.append(box, made("b", undefined, "name"));
    const facts = made("span", undefined, "facts");
    facts.append(made("span"), made("span", undefined, "quiet"), made("code"), made("span", undefined, "quiet"));
    const verdict = made("span", undefined, "verdict");
    verdict.append(made("span"), made("span", undefined, "quiet"), made("span"));
    row.append(opener, label, facts, verdict);
    opener.addEventListener("click", () => toggle(row.dataset.path));
    box.addEventListener("change", () => (box.checked ? choose : drop)(row.dataset.path));
    return row;
  }

  function update(row, { path, name, seen, children, leaves }) {
    const [opener, label, facts, verdict] = row.children;
    row.dataset.path = path;
    const opened = isOpen(path);
    opener.hidden = !children.length || !mayToggle();
    opener.ariaExpanded = String(opened);
    opener.ariaLabel = (opened ? TEXTS.close : TEXTS.open)(path);
    const [box, shown] = label.children;
    box.ariaLabel = path; // heard alone, the name says too little
    say(shown, name);
    const along = state.draft.branchChosenFor(path);
    const within = children.length ? state.draft.chosenWithin(path).length : 0;
    box.checked = along !== undefined || state.draft.isChosen(KIND, path);
    box.indeterminate = !box.checked && within > 0;
    box.disabled = !state.mayChange || along !== undefined;
    const profiles = state.sample?.profiles || 0;
    const texts = [
      seen ? TEXTS.present(seen.present, profiles) : children.length ? TEXTS.inBranch(leaves) : profiles ? TEXTS.notSeen : "",
      seen ? seen.kinds : "",
      seen ? seen.example : "",
      within ? TEXTS.within(within) : "",
    ];
    texts.forEach((text, index) => { say(facts.children[index], text); facts.children[index].hidden = !text; });
    showVerdict(verdict, path, along);
  }

  function showVerdict(verdict, path, along) {
    const outcome = governance.of("attribute", along ?? path);
    const mapping = along === undefined ? mappingCell(state.draft, KIND, path) : { text: TEXTS.along(along), kind: "quiet" };
    const cells = [
      mapping,
      { text: outcome?.labels.length ? TEXTS.labels(outcome.labels) : "", kind: "quiet" },
      outcomeCell(outcome, { isBlocking: governance.isBlocking(), isChosen: along !== undefined || state.draft.isChosen(KIND, path) }),
    ];
    cells.forEach(({ text, kind }, index) => {
      say(verdict.children[index], text, kind || "");
      verdict.children[index].hidden = !text;
    });
  }

  return { make, update };
}
