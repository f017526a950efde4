// Somebody else was first: what this tab had, what is there now, and what was wanted, side by side, and the question what now.

import { asked } from "./dialogs.js";
import { fill, made } from "./elements.js";
import { WORDS } from "./words/shared.js";

const TEXTS = WORDS.conflict;

// Show the difference. `had`, `now` and `wanted` are what a person knows by name: {member: text}, the same members in each.
// "again" where the change is to be made of what is there now, "leave" else.
export async function conflict({ had, now, wanted }) {
  const body = made("div");
  body.append(made("p", TEXTS.intro));
  const members = [...new Set([had, now, wanted].flatMap((each) => Object.keys(each)))];
  const differing = members.filter((name) => had[name] !== now[name] || wanted[name] !== now[name]);
  const frame = made("div", undefined, "scroll");
  const table = made("table");
  fill(table, [TEXTS.member, TEXTS.had, TEXTS.now, TEXTS.wanted], differing.map((name) => ({
    key: name,
    cells: [
      { text: name, kind: "text" },
      { text: shown(had[name]), kind: "text" },
      { text: shown(now[name]), kind: had[name] === now[name] ? "text" : "text warn" },
      { text: shown(wanted[name]), kind: wanted[name] === now[name] ? "text" : "text good" },
    ],
  })), TEXTS.same);
  frame.append(table);
  body.append(frame);
  return await asked({ title: TEXTS.title, body, confirm: TEXTS.again, cancel: TEXTS.leave }) ? "again" : "leave";
}

const shown = (text) => (text === undefined || text === "" ? TEXTS.nothing : String(text));
