// The Connect view: the catalogue, and the guided set-up of what is chosen there.

import { current, load, onChange, onReading, refresh } from "../definition.js";
import { made } from "../elements.js";
import { steps } from "../steps.js";
import { currentSession } from "../token.js";
import { failures } from "../trouble.js";
import { go } from "../views.js";
import { WORDS } from "../words/connect.js";
import { accountStep } from "./account.js";
import { authenticationStep } from "./authentication.js";
import { catalogue } from "./catalogue.js";
import { dataflowStep } from "./dataflow.js";

const [ACCOUNT, AUTHENTICATION, DATAFLOW] = [0, 1, 2];

let view = null; // of the session that is signed in

export const VIEW = {
  name: "connect",
  mount(root) { view = connectView(root, currentSession()); },
  show() { view.show(); },
  hide() { view.hide(); },
};

function connectView(root, { name: by, mayChange }) {
  const trouble = failures();
  const guide = made("section");
  guide.hidden = true;
  const card = catalogue({ begin, go, mayChange });
  root.append(made("h2", WORDS.title), made("p", WORDS.intro), trouble.element, card.element, guide);

  let had = null; // what was there as the set-up was begun
  const showCatalogue = () => {
    guide.hidden = true;
    card.element.hidden = false;
    account.leave();
    authentication.leave();
  };
  const leave = () => {
    showCatalogue();
    card.focus();
  };
  const account = accountStep({
    by, leave,
    chosen(base, definition) {
      had = { ...had, bases: definition.bases };
      authentication.account(base);
      all.show(AUTHENTICATION);
    },
  });
  const authentication = authenticationStep({
    by, back: () => all.show(ACCOUNT),
    answered(answers) {
      all.show(DATAFLOW);
      dataflow.run(answers, had);
    },
  });
  const dataflow = dataflowStep({
    by, go, leave,
    back: () => all.show(AUTHENTICATION),
    refused(problem) {
      all.show(AUTHENTICATION);
      authentication.refused(problem);
    },
  });
  const all = steps([account, authentication, dataflow], WORDS.stepsLabel);
  guide.setAttribute("aria-label", WORDS.stepsLabel);
  guide.append(all.element);

  async function begin() {
    let definition;
    try {
      definition = await load();
    } catch (error) {
      trouble.show(error);
      return;
    }
    had = definition;
    account.begin(definition);
    authentication.begin(definition);
    card.element.hidden = true;
    guide.hidden = false;
    all.show(ACCOUNT);
  }

  const ends = new Set();
  return {
    show() {
      ends.add(onChange(card.show));
      ends.add(onReading((error) => {
        if (!error) trouble.clear();
        else if (current() === null) trouble.show(error);
      }));
      refresh();
    },
    hide() {
      for (const end of ends) end();
      ends.clear();
      account.leave();
      if (dataflow.isDone()) showCatalogue();
    },
  };
}
