// The view of the activation: there is one where a dataflow is, and somebody is signed in.

import { load, onChange } from "../definition.js";
import { button, during } from "../dialogs.js";
import { made, say } from "../elements.js";
import { currentSession } from "../token.js";
import { failures } from "../trouble.js";
import { WORDS } from "../words/activate.js";

import { activationOf } from "./activation.js";

let leave = () => {};
let showIt = () => {};

export const VIEW = {
  name: "activate",
  mount(root) { showIt = mounted(root); },
  show: () => showIt(),
  hide: () => leave(),
};

function mounted(root) {
  const heading = made("h2", WORDS.title);
  const intro = made("p", WORDS.loading, "quiet");
  const note = made("p", "", "warn");
  const trouble = failures();
  const retry = button(WORDS.again);
  const connect = made("a", WORDS.toConnect);
  const place = made("div");
  connect.href = "#connect";
  retry.hidden = connect.hidden = true;
  root.append(heading, intro, note, trouble.element, retry, connect, place);
  retry.addEventListener("click", () => during(retry, WORDS.loading, show));
  let activation = null;
  let stop = () => {};
  let turn = 0;
  leave = () => {
    turn += 1;
    stop();
  };

  async function show() {
    leave();
    const mine = turn;
    try {
      await load();
      if (mine !== turn) return;
      trouble.clear();
      retry.hidden = true;
      stop = onChange(take);
    } catch (error) {
      if (mine !== turn) return;
      trouble.show(error);
      retry.hidden = false;
    }
  }

  function take(found) {
    const { flow } = found;
    const session = currentSession();
    connect.hidden = flow !== null;
    say(intro, flow ? WORDS.intro(flow.name) : WORDS.noFlow);
    say(note, !session?.mayChange ? WORDS.readOnly : flow?.state === "disabled" ? WORDS.isDisabled : "");
    if (activation && flow?.id !== activation.flowId()) {
      activation.leave();
      place.replaceChildren();
      activation = null;
    }
    if (!flow) return;
    if (activation) activation.take(found);
    else {
      activation = activationOf(found, Boolean(session?.mayChange));
      place.append(activation.element);
    }
  }

  return show;
}
