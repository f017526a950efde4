// A question whose answer is carried out while it is still there: what goes wrong is said in it, beside the field that it is of.

import { button, during, opened } from "../dialogs.js";
import { made } from "../elements.js";
import { place } from "../fields.js";
import { CallFailed } from "../requests.js";
import { failures } from "../trouble.js";
import { WORDS } from "../words/shared.js";

let last = 0;

// Ask, and `act` once it was confirmed: `act` resolves to what is to be told, as sentences, or to null where the question goes
// on. `parts` are what it shows; `fields` by JSON pointer. `on.tell` is told what came of it, and `on.fail` what failed after
// somebody has closed it.
export async function asking({ title, parts, confirm, doing, act, on, isGrave = false, fields = {} }) {
  last += 1;
  let isOpen = true;
  const form = made("form");
  form.id = `asking-${last}`;
  form.noValidate = true;
  const trouble = failures();
  form.append(trouble.element, ...parts);
  let came = [];
  await opened({ title, body: form }, (close) => {
    const [cancel, submit] = [button(WORDS.cancel), button(confirm, isGrave ? "grave" : "main")];
    submit.type = "submit";
    submit.setAttribute("form", form.id);
    cancel.addEventListener("click", close);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (submit.disabled) return;
      trouble.clear();
      try {
        const found = await during(submit, doing, act);
        if (found === null) return;
        if (isOpen) {
          came = found;
          close();
        } else if (found.length) on.tell(found);
      } catch (error) {
        if (!isOpen) on.fail(error);
        else if (error instanceof CallFailed && error.kind === "refused") place(error.problem, fields, trouble);
        else {
          trouble.show(error);
          trouble.focus();
        }
      }
    });
    return [cancel, submit];
  });
  isOpen = false;
  if (came.length) on.tell(came);
}
