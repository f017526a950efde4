// Questions over `<dialog>`: the platform keeps the focus within, closes it by Escape, and gives the focus back.

import { made } from "./elements.js";
import { WORDS } from "./words/shared.js";

let last = 0;
const shown = new Set();

// Ask whether to do what `body` tells of: true where it was confirmed. `confirm` and `cancel` are the buttons' words.
export async function asked({ title, body, confirm, cancel = WORDS.cancel, isGrave = false }) {
  let isConfirmed = false;
  await opened({ title, body }, (close) => {
    const no = button(cancel);
    no.addEventListener("click", close);
    const yes = button(confirm, isGrave ? "grave" : "main");
    yes.addEventListener("click", () => { isConfirmed = true; close(); });
    return [no, yes];
  });
  return isConfirmed;
}

// Show a dialog until it is closed. `buttons` makes those at its end of what closes it. `isForm` where Enter is to submit.
export function opened({ title, body }, buttons) {
  return new Promise((resolve) => {
    last += 1;
    const before = document.activeElement;
    const dialog = made("dialog");
    const heading = made("h2", title);
    heading.id = `dialog-${last}`;
    heading.tabIndex = -1;
    dialog.setAttribute("aria-labelledby", heading.id);
    const row = made("div", undefined, "buttons");
    dialog.append(heading, body, row);
    row.append(...buttons(() => dialog.close()));
    dialog.addEventListener("close", () => {
      dialog.remove();
      shown.delete(dialog);
      if (before instanceof HTMLElement && before.isConnected) before.focus();
      resolve();
    });
    document.body.append(dialog);
    shown.add(dialog);
    dialog.showModal();
    if (!dialog.querySelector("[autofocus]")) heading.focus();
  });
}

// Close every dialog that is open, as whoever cancels it would: what it tells was for somebody who is signed in no more.
export function closeAll() {
  for (const dialog of [...shown].reverse()) dialog.close();
}

export function button(text, className) {
  const made_ = made("button", text, className);
  made_.type = "button";
  return made_;
}

// Do `work` while `element`, a button, is disabled and says `doing`.
export async function during(element, doing, work) {
  const [text, hadFocus] = [element.textContent, document.activeElement === element];
  element.disabled = true;
  element.textContent = WORDS.underWay(doing);
  element.setAttribute("aria-busy", "true");
  try {
    return await work();
  } finally {
    element.disabled = false;
    element.textContent = text;
    element.removeAttribute("aria-busy");
    // A disabled button loses the focus, which would begin at the page's top.
    if (hadFocus && element.isConnected && document.activeElement === document.body) element.focus();
  }
}
