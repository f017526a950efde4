// The Authentication step: what the destination is called, which stream it is, looked at as one types, and what its data is used for.

import { CallFailed, read } from "../calls.js";
import { asked, button } from "../dialogs.js";
import { made } from "../elements.js";
import { field, place } from "../fields.js";
import { segmentsOf } from "../selectors.js";
import { failures } from "../trouble.js";
import { WORDS } from "../words/connect.js";
import { marketingActions } from "./actions.js";
import { wrongName, wrongStream } from "./answers.js";
import { latest } from "./latest.js";
import { actionsOf, regionOf } from "./objects.js";
import { lookAt, streamWords, unaskedWords } from "./streams.js";

const TEXTS = WORDS.authentication;
const DEBOUNCE_MS = 500;
const ACTION_FIRST = "exportToThirdParty"; // what a new destination is for, until somebody says otherwise

// The step, for steps.js, with `begin(definition)` and `account(base)`. `back()` goes to the account; `answered(answers)` goes on.
export function authenticationStep({ by, back, answered }) {
  const element = made("form");
  element.noValidate = true;
  element.setAttribute("aria-label", TEXTS.heading);
  const trouble = failures();
  const name = field({ id: "destination-name", label: TEXTS.name, help: TEXTS.nameHelp });
  const description = field({ id: "destination-description", label: TEXTS.description, help: TEXTS.descriptionHelp, isOptional: true });
  const stream = field({ id: "stream", label: TEXTS.stream, help: TEXTS.streamHelp, list: "streams" });
  const streams = made("datalist");
  streams.id = "streams";
  const actions = marketingActions({ by });
  const [before, submit] = [button(WORDS.back), button(TEXTS.create, "main")];
  submit.type = "submit";
  const row = made("div", undefined, "buttons");
  row.append(before, submit);
  element.append(made("p", TEXTS.intro), trouble.element, name.element, description.element, stream.element, streams, actions.element, row);

  let definition = null;
  let base = null;
  let isFixed = false;
  let seen = null; // what AWS said last of the stream that stands there, null where it is not known
  const tried = latest(lookAt, tellAnswer, (error) => tell(unaskedWords(error)));

  function tell({ text, kind }) {
    const more = isFixed ? [TEXTS.streamFixed] : [];
    stream.note([text, ...more].filter(Boolean).join(" "), kind);
  }

  function tellAnswer(answer) {
    seen = answer;
    tell(streamWords(answer));
    if (!answer.list.names) return;
    streams.replaceChildren(...answer.list.names.map((each) => {
      const option = made("option");
      option.value = each;
      return option;
    }));
    // The one stream that there is, is most likely the one that is meant.
    if (!stream.value() && answer.list.names.length === 1) {
      stream.set(answer.list.names[0]);
      look();
    }
  }

  function look() {
    seen = null;
    const wanted = stream.value();
    if (wanted && wrongStream(wanted, regionOf(base))) {
      tried.drop();
      tell({ text: "", kind: "" });
      return;
    }
    tell({ text: TEXTS.looking, kind: "" });
    tried.put({ connectionId: base.id, ...(wanted ? { stream: wanted } : {}) });
  }

  function begin(now) {
    definition = now;
    trouble.clear();
    const { flow, target } = now;
    name.set((flow || target || { name: "" }).name);
    description.set((flow && flow.description) || "");
    stream.set((target && target.params.stream) || "");
    for (const one of [name, description, stream, actions]) one.error(null);
    isFixed = segmentsOf(flow).length > 0;
    stream.disable(isFixed);
    submit.textContent = flow ? TEXTS.keep : TEXTS.create;
    actions.begin(now, target ? actionsOf(target) : [ACTION_FIRST]);
    if (!name.value()) suggestName();
  }

  async function suggestName() {
    try {
      const { topic } = (await read("/processor/sample")).body;
      if (!name.value() && document.activeElement !== name.input) name.set(WORDS.names.topicExports(topic));
    } catch (error) {
      // A name can be typed; that events cannot be read stands beside the actions.
      if (!(error instanceof CallFailed)) throw error;
    }
  }

  stream.onInput(look, DEBOUNCE_MS);
  before.addEventListener("click", back);
  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    const looked = [{ one: name, words: wrongName(name.value()) }, { one: stream, words: wrongStream(stream.value(), regionOf(base)) }];
    for (const { one, words } of looked) one.error(words);
    trouble.clear();
    const first = looked.find(({ words }) => words);
    if (first) first.one.focus();
    else if (!isAbsent() || await isTakenAllTheSame()) {
      answered({
        base, name: name.value(), description: description.value(), stream: stream.value(), region: regionOf(base), actions: actions.value(),
      });
    } else stream.focus();
  });

  const isAbsent = () => seen !== null && seen.stream && seen.stream.name === stream.value() && seen.stream.exists === false;

  function isTakenAllTheSame() {
    const { title, text, yes, no } = TEXTS.takeAbsent;
    return asked({ title, body: made("p", text(stream.value(), regionOf(base))), confirm: yes, cancel: no });
  }

  return {
    title: WORDS.steps.authentication, element, begin,
    // The account that is signed in with.
    account(now) {
      base = now;
      look();
    },
    // What a call found wrong, beside the fields that it is of.
    refused(problem) {
      place(problem, {
        "/name": name, "/description": description, "/params/stream": stream, "/params/region": stream, "/targetConnectionIds": stream,
        "/params/marketingActions": actions,
      }, trouble);
    },
    leave() { tried.drop(); },
  };
}
