// A question whose answer is carried out while it is still there: what goes wrong is said in it, beside the field that it is of.

import { button, during, opened } from "../dialogs.js";
import { made } from "../elements.js";
import { place } from "../fields.js";
import { CallFailed } from "../requests.js";
import { failures } from "../trouble.js";
import { WORDS } from "../words/shared.js";

let last = 0;

// Ask, and `act` once it was confirmed: `act` resolves to whether the question is done with. `parts` are what it shows; `fields`
// by JSON pointer. What fails after somebody has closed it is told to `late`.
export function asking({ title, parts, confirm, doing, act, late, isGrave = false, fields = {} }) {
  last += 1;
  let isOpen = true;
  const form = made("form");
  form.id = `asking-${last}`;
  form.noValidate = true;
  const trouble = failures();
  form.append(trouble.element, ...parts);
  return opened({ title, body: form }, (close) => {
    const [cancel, submit] = [button(WORDS.cancel), button(confirm, isGrave ? "grave" : "main")];
    submit.type = "submit";
    submit.setAttribute("form", form.id);
    cancel.addEventListener("click", close);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (submit.disabled) return;
      trouble.clear();
      try {
        if (await during(submit, doing, act)) close();
      } catch (error) {
        if (!isOpen) late(error);
        else if (error instanceof CallFailed && error.kind === "refused") place(error.problem, fields, trouble);
        else {
          trouble.show(error);
          trouble.focus();
        }
      }
    });
    return [cancel, submit];
  }).finally(() => { isOpen = false; });
}
