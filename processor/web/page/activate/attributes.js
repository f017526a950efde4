// The step in which attributes are chosen: the sample's as a tree, and by its path what the sample has not.

import { button } from "../dialogs.js";
import { keep, made, say } from "../elements.js";
import { field } from "../fields.js";
import { WORDS } from "../words/activate.js";
import { choiceTools } from "./choice_tools.js";
import { branchLine } from "./branch_line.js";
import { branchesOf } from "../names.js";
import { matching, treeOf } from "./tree.js";

const KIND = "attributes";
const TEXTS = WORDS.attributes;
const CANDIDATES_MAX = 4000; // of paths that are nested very deep there may be more, whose governance shows once they are mapped
const OPEN_AT_FIRST = 60; // so many attributes are shown at once, before a branch is opened
const OWN = new Set(["segmentMembership", "identityMap"]);

// `state` has `draft`, `sample`, `mayChange`; `governance` is what `governanceBy` makes.
export function attributesStep(state, governance) {
  const element = made("div");
  const tools = choiceTools({ id: "attribute", texts: TEXTS, refilter });
  const tree = made("ul", undefined, "tree");
  tree.ariaLabel = TEXTS.tree;
  const empty = made("p", undefined, "quiet");
  const notes = made("div", undefined, "quiet");
  const news = made("output", undefined, "warn");
  const open = new Set();
  let isOpenedOnce = false;
  let shape = { top: [], nodes: new Map() };
  let found = null; // paths that are shown; null where all are
  const [openAll, closeAll] = [button(TEXTS.openAll), button(TEXTS.closeAll)];
  openAll.addEventListener("click", () => {
    openBranches();
    show();
  });
  closeAll.addEventListener("click", () => {
    open.clear();
    show();
  });
  const opening = made("div", undefined, "buttons");
  opening.append(openAll, closeAll);
  const adding = addForm();
  element.append(made("p", TEXTS.caption, "quiet"), tools.element, opening, news, tree, empty, notes, adding);

  const line = branchLine({
    state, governance,
    isOpen: (path) => found !== null || open.has(path),
    mayToggle: () => found === null, // what is looked for is shown wherever it is
    toggle(path) {
      if (open.has(path)) open.delete(path);
      else open.add(path);
      show();
    },
    choose(path) {
      const within = state.draft.chosenWithin(path);
      state.draft.choose(KIND, [{ key: path, path }]);
      say(news, within.length ? TEXTS.replaced(path, within) : "");
    },
    drop(path) {
      state.draft.drop(KIND, [path]);
      say(news, "");
    },
  });

  function paths() {
    const { removed } = state.draft.changes()[KIND];
    return [...state.draft.chosen(KIND), ...removed].map(({ path }) => path);
  }

  function remake() {
    shape = treeOf(state.sample?.attributes || [], paths());
    if (isOpenedOnce || !shape.nodes.size) return;
    isOpenedOnce = true;
    for (const path of paths()) for (const branch of branchesOf(path)) open.add(branch);
    if (shape.nodes.size <= OPEN_AT_FIRST) openBranches();
  }

  function openBranches() {
    for (const [path, { children }] of shape.nodes) if (children.length) open.add(path);
  }

  function refilter() {
    remake();
    const wanted = matching(shape.nodes, tools.search());
    const filter = tools.filter();
    found = wanted;
    if (filter !== "all") {
      found = new Set();
      for (const path of shape.nodes.keys()) {
        if ((wanted && !wanted.has(path)) || !passes(path, filter)) continue;
        for (const each of [path, ...branchesOf(path)]) found.add(each);
      }
    }
    show();
  }

  function passes(path, filter) {
    if (filter === "chosen") return state.draft.isChosen(KIND, path);
    if (filter === "mapped") return state.draft.isMapped(KIND, path);
    return Boolean(governance.of("attribute", path)?.removedBy);
  }

  function show() {
    const isShown = ({ path }) => found === null || found.has(path);
    showNodes(tree, shape.top, isShown);
    const leaves = [...shape.nodes.values()].filter((node) => !node.children.length && isShown(node)).length;
    tools.say(TEXTS.shown(leaves));
    empty.hidden = tree.children.length > 0;
    say(empty, shape.nodes.size ? TEXTS.empty : TEXTS.emptyOfAll);
    openAll.disabled = closeAll.disabled = found !== null;
    const { furtherAttributes = 0, unnameable = 0 } = state.sample || {};
    const told = [TEXTS.identities, ...(furtherAttributes ? [TEXTS.further(furtherAttributes)] : []), ...(unnameable ? [TEXTS.unnameable(unnameable)] : [])];
    keep(notes, told.map((text) => ({ key: text, text })), () => made("p"), (note, { text }) => say(note, text));
  }

  function showNodes(parent, nodes, isShown) {
    keep(parent, nodes.filter(isShown).map((node) => ({ key: node.path, node })), () => {
      const item = made("li");
      item.append(line.make(), made("ul"));
      return item;
    }, (item, { node }) => {
      const [row, inner] = item.children;
      line.update(row, node);
      const isOpen = node.children.length > 0 && (found !== null || open.has(node.path));
      inner.hidden = !isOpen;
      // What is closed is not made: of hundreds of attributes few are looked at.
      showNodes(inner, isOpen ? node.children : [], isShown);
    });
  }

  function addForm() {
    const group = made("details");
    const form = made("form", undefined, "adding");
    group.append(made("summary", TEXTS.add), form);
    const path = field({ id: "attribute-path", label: TEXTS.path, help: TEXTS.pathHelp });
    const add = made("button", TEXTS.addButton);
    form.noValidate = true;
    form.append(path.element, add);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const given = path.value().trim();
      const wrong = wrongWith(given);
      path.error(wrong);
      if (wrong) return;
      for (const branch of branchesOf(given)) open.add(branch);
      found?.add(given);
      state.draft.choose(KIND, [{ key: given, path: given }]);
      path.set("");
      path.note(TEXTS.added(given), "good");
    });
    group.update = () => { add.disabled = !state.mayChange; };
    return group;
  }

  function wrongWith(path) {
    if (!path) return TEXTS.noPath;
    if (path.split(".").some((part) => !part)) return TEXTS.badPath;
    const [first] = path.split(".");
    if (OWN.has(first)) return TEXTS.own(first);
    if (state.draft.isChosen(KIND, path)) return TEXTS.there;
    const branch = state.draft.branchChosenFor(path);
    return branch === undefined ? null : TEXTS.alongAlready(branch);
  }

  return {
    element, refilter, kind: KIND,
    // What comes along with a branch is no choice of its own.
    candidates: () => [...shape.nodes.keys()].filter((path) => state.draft.branchChosenFor(path) === undefined)
      .slice(0, CANDIDATES_MAX).map((path) => ({ key: path, path })),
    update() {
      adding.update();
      remake();
      show();
    },
  };
}
