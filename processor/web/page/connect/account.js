// The Account step: one that is there, which may be changed, or a new one, which is made as soon as one connects, so that its keys are
// sent once and no step later needs them.

import { CallFailed } from "../calls.js";
import { conflict } from "../conflict.js";
import { load } from "../definition.js";
import { button, during } from "../dialogs.js";
import { made, say } from "../elements.js";
import { choice, field, place } from "../fields.js";
import { when } from "../formats.js";
import { failures, told } from "../trouble.js";
import { WORDS } from "../words/connect.js";
import { AccountForm } from "./account_form.js";
import { latest } from "./latest.js";
import { accountBody, endpointOf, operationsFor, regionOf, signsInBy, wantedOfAccount } from "./objects.js";
import { changedOnce, idsOf, madeOnce } from "./setting_up.js";
import { accountWords, lookAt, problemWords, unaskedWords } from "./streams.js";

const TEXTS = WORDS.account;
const DEBOUNCE_MS = 500;

// The step, for steps.js, with `begin(definition)`. `by` is whose token it is. `leave()` goes back to the catalogue; `chosen(base)`
// goes on with an account that is there by then.
export function accountStep({ by, leave, chosen }) {
  const element = made("form");
  element.noValidate = true;
  element.setAttribute("aria-label", TEXTS.heading);
  const trouble = failures();
  const which = choice({ id: "account-which", label: TEXTS.which, items: [
    { value: "existing", label: TEXTS.existing, help: TEXTS.existingHelp }, { value: "fresh", label: TEXTS.fresh, help: TEXTS.freshHelp },
  ] });
  const accounts = field({ id: "account", label: TEXTS.accounts, kind: "select" });
  const form = new AccountForm();
  const found = made("p", "", "note");
  found.setAttribute("role", "status");
  const [back, edit, submit] = [button(WORDS.leave), button(TEXTS.change), button(TEXTS.connect, "main")];
  submit.type = "submit";
  const row = made("div", undefined, "buttons");
  row.append(back, edit, submit);
  element.append(made("p", TEXTS.intro), trouble.element, which.element, accounts.element, form.element, found, row);

  let definition = null;
  let isChanging = false;
  let isSending = false;
  const isFresh = () => !definition.bases.length || which.value() === "fresh";
  const isKept = () => account() !== null && !isChanging;
  const account = () => (isFresh() ? null : definition.bases.find(({ id }) => id === accounts.value()) || null);
  const tried = latest(lookAt, tellAnswer, (error) => tell(unaskedWords(error)));
  let timer = 0;
  let blamed = []; // fields that AWS's answer was about, which is of what stood there then

  function tell({ text, kind }) {
    say(found, text, `note ${kind}`);
  }

  // What is wrong with one answer stands beside its field.
  function tellAnswer(answer) {
    const byPointer = form.byPointer();
    const [beside, others] = [[], []];
    for (const problem of answer.problems) (!isKept() && byPointer[problem.member] ? beside : others).push(problem);
    blamed = beside.map(({ member }) => byPointer[member]);
    for (const problem of beside.reverse()) byPointer[problem.member].error(problemWords(problem));
    tell(beside.length && !others.length ? { text: "", kind: "" } : accountWords({ ...answer, problems: others }));
  }

  // What AWS says of the account as it is answered; nothing is asked with keys that were typed.
  function look() {
    tried.drop();
    clearTimeout(timer);
    for (const one of blamed) one.error(null);
    blamed = [];
    if (!isKept() && !form.mayTry()) {
      tell({ text: form.fields.way.value() === "keys" ? TEXTS.keysLater : "", kind: "" });
      return;
    }
    tell({ text: TEXTS.looking, kind: "" });
    const question = isKept() ? { connectionId: account().id } : { auth: { params: form.answers().params } };
    timer = setTimeout(() => tried.put(question), isKept() ? 0 : DEBOUNCE_MS);
  }

  function arrange() {
    const hasSome = definition.bases.length > 0;
    which.element.hidden = !hasSome || isChanging;
    accounts.element.hidden = isFresh();
    accounts.disable(isChanging);
    form.element.hidden = !isFresh() && !isChanging;
    edit.hidden = isFresh();
    say(edit, isChanging ? TEXTS.changeEnd : TEXTS.change);
    say(submit, isFresh() ? TEXTS.connect : isChanging ? TEXTS.keep : WORDS.next);
    trouble.clear();
    look();
  }

  function begin(now, wanted = now.base) {
    definition = now;
    isChanging = false;
    accounts.options(labelled(now.bases));
    which.set(now.bases.length ? "existing" : "fresh");
    if (wanted) accounts.set(wanted.id);
    form.begin(null);
    arrange();
  }

  which.onInput(() => { form.begin(null); arrange(); });
  accounts.onInput(arrange);
  form.onChange(look);
  back.addEventListener("click", leave);
  edit.addEventListener("click", () => {
    isChanging = !isChanging;
    form.begin(isChanging ? account() : null);
    arrange();
    if (isChanging) form.fields.way.focus();
  });
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!isSending) send();
  });

  async function send() {
    trouble.clear();
    const kept = account();
    if (kept && !isChanging) {
      if (regionOf(kept)) chosen(kept, definition);
      else accounts.error(WORDS.wrong.noRegion);
      return;
    }
    if (!form.isRight()) return;
    const { way, params, keepsKeys } = form.answers();
    // Out of the inputs before they are sent: whatever becomes of the call, they are typed anew.
    form.clearKeys();
    back.disabled = edit.disabled = isSending = true; // what is sent goes on to its end, and so to the next step
    try {
      const id = await during(submit, TEXTS.connecting, () => (kept ? changed(kept, params, keepsKeys || way === "files") : madeOf(params)));
      if (id === null) begin(await load());
      else await goOn(id);
    } catch (error) {
      if (!(error instanceof CallFailed)) throw error;
      if (error.kind === "refused") place(error.problem, form.byPointer(), trouble);
      else {
        trouble.show(error);
        trouble.focus();
      }
    } finally {
      back.disabled = edit.disabled = isSending = false;
    }
  }

  async function madeOf(params) {
    return (await madeOnce("connections", accountBody(params), { ids: idsOf(definition), by })).body.id;
  }

  // The account's id once it is as it was answered; null where somebody leaves it as another has changed it meanwhile.
  async function changed(former, params, keepsKeys) {
    for (let object = former; ;) {
      const operations = operationsFor(object, wantedOfAccount(params, keepsKeys));
      try {
        if (operations.length) await changedOnce("connections", object, operations, by);
        return object.id;
      } catch (error) {
        if (!(error instanceof CallFailed) || error.kind !== "conflict") throw error;
        const now = (await load()).bases.find(({ id }) => id === object.id) || null;
        const wanted = keepsKeys ? withKeysOf(object, params) : { auth: { params } };
        if (await conflict({ had: summary(object), now: summary(now), wanted: summary(wanted) }) === "leave" || !now) return null;
        object = now;
      }
    }
  }

  async function goOn(id) {
    let now;
    try {
      now = await load();
    } catch (error) {
      trouble.say(TEXTS.keptUnread, told(error));
      trouble.focus();
      return;
    }
    const base = now.bases.find((each) => each.id === id);
    begin(now, base);
    chosen(base, now);
  }

  return { title: WORDS.steps.account, element, begin, enter: () => { if (definition) look(); }, leave: () => { tried.drop(); form.clearKeys(); } };
}

const described = (account) => TEXTS.described(account.name, TEXTS.ways[signsInBy(account)], regionOf(account), endpointOf(account));

// Accounts by what is known of them; those that are alike also by when they were made.
function labelled(accounts) {
  const texts = accounts.map(described);
  return accounts.map(({ id, createdAt }, place) => {
    const isAlone = texts.indexOf(texts[place]) === texts.lastIndexOf(texts[place]);
    return { value: id, label: isAlone ? texts[place] : TEXTS.describedSince(texts[place], when(createdAt)) };
  });
}

const withKeysOf = ({ auth }, { region, connectionUrl }) => ({ auth: { params: { ...auth.params, region, connectionUrl } } });

// What a person knows of an account, by its name there.
function summary(account) {
  if (!account) return {};
  return { [TEXTS.how]: TEXTS.ways[signsInBy(account)], [TEXTS.region]: regionOf(account), [TEXTS.endpoint]: endpointOf(account) };
}
