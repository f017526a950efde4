// Fields of forms: each has its own label, help, error and live note. An error stands beside its field, in words.

import { made, say } from "./elements.js";
import { WORDS } from "./words/shared.js";

const TAGS = { textarea: "textarea", select: "select" };

// A field of one text, or of one of some `options` [{value, label}] where `kind` is "select". `kind` is an input's type
// else. {element, input, value, set, error, note, onInput, disable, focus, options}.
export function field({ id, label, help = "", kind = "text", isOptional = false, options = [], ...attributes }) {
  const element = made("div", undefined, "field");
  const input = made(TAGS[kind] || "input");
  input.id = id;
  input.name = id;
  if (!TAGS[kind]) input.type = kind;
  input.autocomplete = "off";
  input.spellcheck = false;
  input.required = false; // the browser's own bubble would be the only word of it
  for (const [name, value] of Object.entries(attributes)) input.setAttribute(name, value);
  const caption = made("label", label);
  caption.htmlFor = id;
  if (isOptional) caption.append(made("span", ` (${WORDS.optional})`, "quiet"));
  const described = around(id, input, help);
  element.append(caption, described.help, input, described.error, described.note);
  const one = {
    element, input,
    value: () => (kind === "select" || kind === "password" ? input.value : input.value.trim()),
    set(value) { input.value = value; },
    disable(isDisabled) { input.disabled = isDisabled; },
    focus() { input.focus(); },
    onInput: (listener, debounceMs = 0) => debounced(input, one, listener, debounceMs),
    options(items) {
      const before = input.value;
      input.replaceChildren(...items.map(({ value, label: text }) => {
        const option = made("option", text);
        option.value = value;
        return option;
      }));
      if (items.some(({ value }) => value === before)) input.value = before;
    },
    ...described.say,
  };
  if (kind === "select") one.options(options);
  return one;
}

// One choice of several, as radio buttons: `items` are [{value, label, help}]. As `field`, but for `input`.
export const choice = (how) => group({ ...how, type: "radio" });

// Any of several, as check boxes: value() is a list of what is chosen. As `choice`; `items(items)` shows others, keeping what
// is chosen; `mark(value, text, kind)` says something beside one.
export const checks = (how) => group({ ...how, type: "checkbox" });

function group({ id, label, help = "", items = [], type }) {
  const element = made("fieldset", undefined, "field");
  element.id = id;
  const legend = made("legend", label);
  const rows = made("div", undefined, "choices");
  const described = around(id, element, help);
  element.append(legend, described.help, rows, described.error, described.note);
  const inputs = () => [...rows.querySelectorAll("input")];
  const one = {
    element,
    value() {
      const chosen = inputs().filter((input) => input.checked).map((input) => input.value);
      return type === "radio" ? chosen[0] || "" : chosen;
    },
    set(value) {
      const wanted = type === "radio" ? [value] : value;
      for (const input of inputs()) input.checked = wanted.includes(input.value);
    },
    disable(isDisabled) { element.disabled = isDisabled; },
    focus() { (inputs().find((input) => input.checked) || inputs()[0] || element).focus(); },
    onInput: (listener, debounceMs = 0) => debounced(rows, one, listener, debounceMs),
    items(anew) {
      const chosen = one.value();
      rows.replaceChildren(...anew.map((item, place) => choiceRow(`${id}-${place}`, id, type, item)));
      one.set(chosen);
    },
    mark(value, text, kind = "") {
      const input = inputs().find((each) => each.value === value);
      if (input) say(input.closest(".choice").querySelector(".mark"), text, `mark ${kind}`.trim());
    },
    ...described.say,
  };
  one.items(items);
  return one;
}

function choiceRow(id, name, type, { value, label, help: about = "" }) {
  const row = made("div", undefined, "choice");
  const input = made("input");
  Object.assign(input, { type, id, name, value });
  const caption = made("label", label);
  caption.htmlFor = id;
  const [help, mark] = [made("span", about, "quiet"), made("span", "", "mark")];
  help.id = `${id}-help`;
  mark.id = `${id}-mark`;
  mark.setAttribute("role", "status");
  input.setAttribute("aria-describedby", `${help.id} ${mark.id}`);
  row.append(input, caption, help, mark);
  return row;
}

// Help, error and note of what `target` is, and how they are said.
function around(id, target, text) {
  const [help, error, note] = [made("p", text, "help"), made("p", "", "error"), made("p", "", "note")];
  help.id = `${id}-help`;
  error.id = `${id}-error`;
  note.id = `${id}-note`;
  help.hidden = !text;
  error.hidden = true;
  note.setAttribute("role", "status");
  target.setAttribute("aria-describedby", [text ? help.id : "", error.id, note.id].filter(Boolean).join(" "));
  return {
    help, error, note,
    say: {
      error(words) {
        say(error, words || "");
        error.hidden = !words;
        if (words) target.setAttribute("aria-invalid", "true");
        else target.removeAttribute("aria-invalid");
      },
      note(words, kind = "") { say(note, words || "", `note ${kind}`.trim()); },
    },
  };
}

function debounced(element, one, listener, debounceMs) {
  let timer = 0;
  element.addEventListener("input", () => {
    one.error(null); // what was said of it was said of what stood there before
    clearTimeout(timer);
    timer = setTimeout(() => listener(one.value()), debounceMs);
  });
}

// Put what the API found wrong beside the fields that it is of, by JSON pointer, and the rest into `rest`, as `failures` of
// trouble.js makes it. A field that is of a pointer takes what is wrong below it, too. The first of all gets the focus.
export function place(problem, fieldsByPointer, rest) {
  const byField = new Map();
  const others = [];
  for (const wrong of (problem && problem.report && problem.report.errors) || []) {
    const of = nearest(wrong.pointer || wrong.member || "", fieldsByPointer);
    const words = WORDS.remedy(wrong.message, wrong.remedy);
    if (of) byField.set(of, [...(byField.get(of) || []), words]);
    else others.push(words);
  }
  for (const one of new Set(Object.values(fieldsByPointer))) one.error((byField.get(one) || []).join(" ") || null);
  if (!byField.size && !others.length) others.push(problem ? WORDS.remedy(problem.detail, "") : WORDS.failed.refused);
  rest.say(...others);
  const first = Object.values(fieldsByPointer).find((one) => byField.has(one));
  if (first) first.focus();
  else rest.focus();
}

function nearest(pointer, fieldsByPointer) {
  let found = null;
  let length = -1;
  for (const [of, one] of Object.entries(fieldsByPointer)) {
    const isOf = pointer === of || pointer.startsWith(`${of}/`);
    if (isOf && of.length > length) [found, length] = [one, of.length];
  }
  return found;
}
