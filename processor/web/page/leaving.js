// Whoever leaves the page, or reads it anew, loses what was not kept yet, and has to sign in again: the browser asks before.

const reasons = new Set();

// Have the browser ask before the page is left, as long as `isHeld()`. Returns what ends it.
export function heldWhile(isHeld) {
  reasons.add(isHeld);
  return () => reasons.delete(isHeld);
}

// Begin to mind whoever leaves.
export function mindLeaving() {
  window.addEventListener("beforeunload", (event) => {
    if ([...reasons].some((isHeld) => isHeld())) event.preventDefault();
  });
}
