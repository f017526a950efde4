// A button that does something here, and sends no form.

import { made } from "../elements.js";

export function button(text, act, className) {
  const element = made("button", text, className);
  element.type = "button";
  element.addEventListener("click", act);
  return element;
}
