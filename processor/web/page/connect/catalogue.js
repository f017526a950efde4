// The catalogue: a card for each kind of destination, which here is one, with what of it is set up.

import { button } from "../dialogs.js";
import { made, say } from "../elements.js";
import { segmentsOf } from "../selectors.js";
import { WORDS } from "../words/connect.js";
import { WORDS as SHARED } from "../words/shared.js";

const TEXTS = WORDS.card;

// The card: {element, show(definition), focus()}. `begin()` sets up, goes on or changes; `go(view)` leads to another view. Without
// `mayChange` it says why nothing can be begun.
export function catalogue({ begin, go, mayChange }) {
  const element = made("section");
  const heading = made("h3", WORDS.catalogue);
  heading.id = "catalogue-heading";
  heading.tabIndex = -1;
  element.setAttribute("aria-labelledby", heading.id);
  const card = made("article", undefined, "card");
  const name = made("h4", TEXTS.name);
  name.id = "amazon-kinesis";
  card.setAttribute("aria-labelledby", name.id);
  const state = made("p", "", "state");
  const facts = made("ul", undefined, "notes");
  const [start, activate, destination] = [button(TEXTS.setUp, "main"), button(TEXTS.activate, "main"), button(TEXTS.destination)];
  const row = made("div", undefined, "buttons");
  row.append(activate, start, destination);
  const why = made("p", mayChange ? "" : SHARED.readsOnly, "help");
  why.id = "catalogue-why";
  start.setAttribute("aria-describedby", `${name.id} ${why.id}`);
  card.append(name, made("p", TEXTS.category, "quiet"), state, made("p", TEXTS.what), facts, why, row);
  element.append(heading, card);
  start.addEventListener("click", begin);
  activate.addEventListener("click", () => go("activate"));
  destination.addEventListener("click", () => go("destination"));
  start.disabled = !mayChange;

  return {
    element,
    show(definition) {
      const { flow } = definition;
      const isBegun = !flow && (definition.bases.length > 0 || definition.targets.length > 0);
      say(state, flow ? TEXTS.connected : isBegun ? TEXTS.begun : TEXTS.notSetUp, `state ${flow ? "good" : isBegun ? "warn" : "quiet"}`);
      say(start, flow ? TEXTS.change : isBegun ? TEXTS.goOn : TEXTS.setUp, flow ? "" : "main");
      activate.hidden = !flow;
      destination.hidden = !flow;
      facts.replaceChildren(...factsOf(definition).map(({ text, kind }) => made("li", text, kind)));
    },
    focus() { heading.focus(); },
  };
}

function factsOf({ flow, target, bases, source }) {
  if (!flow) {
    const { parts } = WORDS.dataflow;
    const there = [[bases.length, parts.base], [source, parts.source], [target, parts.target]].filter(([is]) => is).map(([, part]) => part);
    return there.length ? [{ text: TEXTS.has(there), kind: "" }] : [];
  }
  const found = [{ text: TEXTS.called(flow.name), kind: "" }];
  if (target) found.push({ text: TEXTS.streamIn(target.params.stream, target.params.region || ""), kind: "" });
  if (flow.state === "disabled") found.push({ text: TEXTS.isDisabled, kind: "warn" });
  if (!segmentsOf(flow).length) found.push({ text: TEXTS.mapsNothing, kind: "warn" });
  return found;
}
