// The marketing actions of a target connection, by their names.

// Their names: a target connection has names, or references that end with them.
export const actionsOf = (target) => [].concat((target && target.params && target.params.marketingActions) || []).map((each) => (
  each.includes("/") ? decoded(each.replace(/[?#].*$/, "").replace(/\/+$/, "").split("/").at(-1)) : each));

export const isSame = (some, others) => some.length === others.length && some.every((each) => others.includes(each));

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
