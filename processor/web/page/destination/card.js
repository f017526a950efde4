// The destination at a glance: its name, where it goes, by which account, what for, and whether it is on.

import { mappedBy } from "../selectors.js";
import { button } from "../dialogs.js";
import { keep, made, say } from "../elements.js";
import { field } from "../fields.js";
import { WORDS } from "../words/destination.js";
import { actionsOf } from "./action_names.js";
import { asking } from "./asking.js";
import { carried } from "./carrying.js";
import { askForActions } from "./marketing.js";
import { renaming, turning } from "./wishes.js";

const TEXTS = WORDS.facts;
const HIDDEN = /^\*+$/; // what is shown in a secret's place

export function cardOf(on) {
  const element = made("section", undefined, "card");
  const [heading, state, facts, buttons] = [made("h3"), made("p"), made("dl", undefined, "facts"), made("div", undefined, "buttons")];
  heading.id = "destination-called";
  element.setAttribute("aria-labelledby", heading.id);
  const [rename, turn, actions] = [button(WORDS.buttons.rename), button(""), button(WORDS.buttons.actions)];
  const [add, setUp] = [link("#activate", WORDS.buttons.add, "button main"), link("#connect", WORDS.buttons.setUp, "button")];
  buttons.append(add, actions, rename, turn, setUp);
  element.append(heading, state, facts, buttons);
  let found = null;
  let enforcement = "";

  rename.addEventListener("click", () => askForNames(found, on));
  turn.addEventListener("click", () => askToTurn(found, on));
  actions.addEventListener("click", () => askForActions(found, on));

  function show() {
    const { flow, target } = found;
    const { segments } = mappedBy(flow);
    const isOn = flow.state !== "disabled";
    say(heading, flow.name || "");
    say(state, !isOn ? WORDS.states.disabled : segments.size ? WORDS.states.enabled : WORDS.enabledEmpty, isOn && segments.size ? "good" : "warn");
    say(turn, isOn ? WORDS.buttons.disable : WORDS.buttons.enable);
    keep(facts, factsOf(found, enforcement).flatMap(([name, text]) => [
      { key: `name ${name}`, tag: "dt", text: name }, { key: `text ${name}`, tag: "dd", text },
    ]), ({ tag }) => made(tag), (place, { text }) => say(place, text));
    for (const each of [rename, turn, actions]) each.disabled = !on.mayChange();
    actions.hidden = target === null;
    add.hidden = setUp.hidden = !on.mayChange();
  }

  return {
    element,
    take(now) {
      found = now;
      show();
    },
    enforce(now) {
      enforcement = now;
      if (found) show();
    },
  };
}

function factsOf({ flow, target, base }, enforcement) {
  const params = (target && target.params) || {};
  const auth = (base && base.auth && base.auth.params) || {};
  const { segments, attributes } = mappedBy(flow);
  return [
    [TEXTS.description, flow.description || WORDS.noDescription],
    [TEXTS.stream, params.stream || ""],
    [TEXTS.region, params.region || auth.region || ""],
    [TEXTS.account, base ? WORDS.accounts.named(base.name || "", accountOf(auth)) : ""],
    [TEXTS.endpoint, auth.connectionUrl || WORDS.awsEndpoint],
    [TEXTS.actions, actionsOf(target).join(", ") || WORDS.noActions],
    ...(WORDS.enforcements[enforcement] ? [[TEXTS.enforcement, WORDS.enforcements[enforcement]]] : []),
    [TEXTS.mapped, WORDS.mappedCount(segments.size, attributes.size)],
    [TEXTS.changed, WORDS.changedBy(flow.updatedAt, flow.updatedBy)],
  ];
}

function accountOf({ accessKeyId, secretKey }) {
  if (!accessKeyId) return WORDS.accounts.chain;
  return HIDDEN.test(accessKeyId) || HIDDEN.test(secretKey || "") ? WORDS.accounts.keys : WORDS.accounts.variables(accessKeyId, secretKey || "");
}

function askForNames({ flow }, on) {
  const texts = WORDS.rename;
  const name = field({ id: "flow-name", label: texts.name, autofocus: "" });
  const description = field({ id: "flow-description", label: texts.description, kind: "textarea", isOptional: true });
  name.set(flow.name || "");
  description.set(flow.description || "");
  return asking({
    title: texts.title, parts: [name.element, description.element], confirm: texts.confirm, doing: texts.doing, on,
    fields: { "/name": name, "/description": description },
    async act() {
      name.error(name.value() ? null : texts.nameMissing);
      if (!name.value()) {
        name.focus();
        return null;
      }
      const wish = renaming(flow, name.value(), description.value());
      return wish.isDone(flow) ? [] : carried(wish);
    },
  });
}

function askToTurn({ flow }, on) {
  const isOn = flow.state !== "disabled";
  const texts = isOn ? WORDS.disable : WORDS.enable;
  const lines = [...texts.body, ...(!isOn && !mappedBy(flow).segments.size ? [texts.nothing] : [])];
  return asking({
    title: texts.title, parts: lines.map((line) => made("p", line)), confirm: texts.confirm, doing: texts.doing, isGrave: isOn, on,
    act: () => carried(turning(flow, isOn ? "disabled" : "enabled")),
  });
}

function link(place, text, className) {
  const element = made("a", text, className);
  element.href = place;
  return element;
}
