// Who changed what, and when: the latest first.

import { CallFailed, read } from "../calls.js";
import { keep, made, say } from "../elements.js";
import { told } from "../trouble.js";
import { WORDS } from "../words/destination.js";

const TEXTS = WORDS.history;
const SHOWN = 8; // the others are there to unfold

// {element, look()}: `news` is told whenever there is another change than before.
export function historyOf(news) {
  const element = made("section");
  const [heading, state, latest, more, summary, older] = [
    made("h3", TEXTS.heading), made("p", TEXTS.loading, "quiet"), made("ol", undefined, "history"), made("details"), made("summary"),
    made("ol", undefined, "history")];
  heading.id = "destination-history";
  element.setAttribute("aria-labelledby", heading.id);
  more.append(summary, older);
  element.append(heading, state, latest, more);
  more.hidden = true;
  let known = null;
  let turn = 0;

  async function look() {
    turn += 1;
    const mine = turn;
    try {
      const { body } = await read("/processor/history");
      if (mine === turn) show(body);
    } catch (error) {
      if (!(error instanceof CallFailed)) throw error;
      if (mine === turn) say(state, TEXTS.failed(told(error)), "warn");
    }
  }

  function show({ items, isWhole }) {
    say(state, !items.length ? TEXTS.none : isWhole ? "" : TEXTS.isCut, "quiet");
    lines(latest, items.slice(0, SHOWN));
    lines(older, items.slice(SHOWN));
    more.hidden = items.length <= SHOWN;
    say(summary, TEXTS.more(items.length - SHOWN));
    const version = items.length ? items[0].version : 0;
    if (known !== null && known !== version) news();
    known = version;
  }

  return { element, look };
}

// A record that was made is never another later: what is shown of it stays as it is.
function lines(place, items) {
  keep(place, items.map((item) => ({ key: item.version, item })), ({ item }) => {
    const line = made("li");
    const by = made("p", TEXTS.by(item.atMs, item.by));
    by.append(made("span", ` ${TEXTS.version(item.version)}`, "quiet"));
    const changes = made("ul");
    changes.append(...item.changes.map(changeLine));
    if (item.furtherChanges) changes.append(made("li", TEXTS.further(item.furtherChanges), "quiet"));
    line.append(by, changes);
    return line;
  }, () => {});
}

function changeLine({ collection, name, id, what, details }) {
  const called = name || (collection.includes("/") ? id : "");
  const line = made("li", TEXTS.change(TEXTS.kinds[collection] || collection, called, TEXTS.whats[what] || what));
  if (details.length) {
    const more = made("ul", undefined, "quiet");
    more.append(...details.map((each) => made("li", each)));
    line.append(more);
  }
  return line;
}
