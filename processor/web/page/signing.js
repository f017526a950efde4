// The form that somebody signs in with. What was typed is out of the element before it is sent.

import { button, during, opened } from "./dialogs.js";
import { made } from "./elements.js";
import { field } from "./fields.js";
import { signIn } from "./token.js";
import { failures } from "./trouble.js";
import { CallFailed } from "./requests.js";
import { WORDS } from "./words/shared.js";

const NAMED = /^[\x21-\x7e]+$/; // what a header can carry, and tokens consist of

// Ask for a token until one is known, or the dialog is closed; `why` is said first, where somebody was signed out.
export function askToSignIn(why = "") {
  const form = made("form");
  form.id = "sign-in-form";
  form.noValidate = true;
  const token = field({ id: "token", label: WORDS.token, help: WORDS.tokenHelp, kind: "password", autofocus: "" });
  const trouble = failures();
  if (why) form.append(made("p", why, "warn"));
  form.append(made("p", WORDS.signInWhy), trouble.element, token.element);
  return opened({ title: WORDS.signInTitle, body: form }, (close) => {
    const cancel = button(WORDS.cancel);
    cancel.addEventListener("click", close);
    const submit = button(WORDS.signIn, "main");
    submit.type = "submit";
    submit.setAttribute("form", form.id);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!submit.disabled) send(token, trouble, submit, close);
    });
    return [cancel, submit];
  });
}

async function send(token, trouble, submit, close) {
  const given = token.value().trim();
  trouble.clear();
  const wrong = !given ? WORDS.tokenMissing : !NAMED.test(given) ? WORDS.tokenForm : null;
  token.error(wrong);
  if (wrong) {
    token.focus();
    return;
  }
  token.set("");
  try {
    await during(submit, WORDS.signIn, () => signIn(given, () => submit.isConnected));
    close();
  } catch (error) {
    if (error instanceof CallFailed && error.kind === "unauthorised") {
      token.error(WORDS.tokenUnknown);
      token.focus();
    } else trouble.show(error);
  }
}
