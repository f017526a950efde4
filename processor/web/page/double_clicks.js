// A double click is meant once. Its second click would land on whatever the first has brought there: the next step's button, or
// a link that leads away from all that was chosen.

const MEANT_ONCE = "a,button";
const CONTROL = `${MEANT_ONCE},input,label,select,summary,textarea`;

// Have the second click of a double click do nothing on buttons and links, and nothing on what the first was not made on.
export function takeOnce() {
  let first = null;
  document.addEventListener("click", (event) => {
    const control = event.target instanceof Element ? event.target.closest(CONTROL) : null;
    if (event.detail > 1 && control && (control !== first || control.matches(MEANT_ONCE))) {
      event.preventDefault();
      event.stopImmediatePropagation();
    } else if (event.detail === 1) first = control;
  }, true);
}
