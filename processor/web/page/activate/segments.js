// The step in which segments are chosen: those of the sample and those that are mapped, and by its ID what is neither.

import { button } from "../dialogs.js";
import { fill, made, say } from "../elements.js";
import { field } from "../fields.js";
import { WORDS } from "../words/activate.js";
import { choiceTools } from "./choice_tools.js";
import { PLATFORM, segmentKey } from "../names.js";
import { outcomeCell } from "./outcome.js";
import { mappingCell } from "./mapping.js";

const KIND = "segments";
const TEXTS = WORDS.segments;

// `state` has `draft`, `sample`, `mayChange`; `governance` is what `governanceBy` makes.
export function segmentsStep(state, governance) {
  const element = made("div");
  const table = made("table");
  const caption = table.createCaption();
  const scroll = made("div", undefined, "scroll");
  scroll.classList.add("choosing");
  const further = made("p", undefined, "quiet");
  const boxes = new Map(); // by key
  let shown = new Set();

  const tools = choiceTools({ id: "segment", texts: TEXTS, refilter });
  const [all, none] = [button(TEXTS.all), button(TEXTS.none)];
  all.addEventListener("click", () => state.draft.choose(KIND, items().filter(({ key }) => shown.has(key))));
  none.addEventListener("click", () => state.draft.drop(KIND, [...shown]));
  const choosing = made("div", undefined, "buttons");
  choosing.append(all, none);
  scroll.append(table);
  caption.textContent = TEXTS.caption;
  Object.assign(scroll, { tabIndex: 0, role: "region", ariaLabel: TEXTS.heading });
  const adding = addForm();
  element.append(tools.element, choosing, scroll, further, adding);

  // What there is to choose from: the sample's segments, the most frequent first, then what is mapped or chosen beside them.
  function items() {
    const found = new Map();
    for (const each of state.sample?.segments || []) {
      const key = segmentKey(each);
      found.set(key, { ...each, key });
    }
    const beside = [...state.draft.chosen(KIND), ...state.draft.changes()[KIND].removed];
    for (const each of beside) {
      const seen = found.get(each.key);
      found.set(each.key, seen ? { ...seen, name: each.name || seen.name } : each);
    }
    return [...found.values()];
  }

  function refilter() {
    const wanted = tools.search().trim().toLowerCase();
    shown = new Set(items().filter((item) => isWanted(item, wanted, tools.filter())).map(({ key }) => key));
    show();
  }

  function isWanted({ key, name, id, namespace }, wanted, filter) {
    if (wanted && ![name || "", id, namespace].some((text) => text.toLowerCase().includes(wanted))) return false;
    if (filter === "chosen") return state.draft.isChosen(KIND, key);
    if (filter === "mapped") return state.draft.isMapped(KIND, key);
    if (filter === "removed") return Boolean(governance.of("segment", key)?.removedBy);
    return true;
  }

  function show() {
    const there = items();
    const rows = there.filter(({ key }) => shown.has(key)).map((item) => ({ key: item.key, cells: cellsOf(item) }));
    fill(table, TEXTS.columns, rows, there.length ? TEXTS.empty : TEXTS.emptyOfAll);
    tools.say(TEXTS.shown(rows.length));
    all.disabled = none.disabled = !state.mayChange || !rows.length;
    const left = state.sample?.furtherSegments || 0;
    further.hidden = !left;
    say(further, left ? TEXTS.further(left) : "");
  }

  function cellsOf(item) {
    const outcome = governance.of("segment", item.key);
    const { sample } = state;
    return [
      { element: boxOf(item) },
      { text: item.namespace, kind: "text" },
      item.members === undefined
        ? { text: sample?.profiles ? TEXTS.notSeen : "", kind: "quiet" }
        : { text: `${TEXTS.members(item, sample.profiles)}`, bar: sample.profiles ? item.members / sample.profiles : 0, barName: TEXTS.membersBar },
      item.entries === undefined ? "" : TEXTS.entries(item.entries),
      mappingCell(state.draft, KIND, item.key),
      { text: outcome ? outcome.labels.join(", ") : "", kind: "text" },
      outcomeCell(outcome, { isBlocking: governance.isBlocking(), isChosen: state.draft.isChosen(KIND, item.key) }),
    ];
  }

  function boxOf(item) {
    const { pick, box, name, id } = boxes.get(item.key) || newBox(item);
    // What is mapped without a name may get one from the sample.
    say(name, item.name || item.id);
    say(id, item.name ? item.id : "");
    box.checked = state.draft.isChosen(KIND, item.key);
    box.disabled = !state.mayChange;
    return pick;
  }

  // Made once: a box that has the focus keeps it, whatever becomes of its row.
  function newBox(item) {
    const [pick, words, label, name, id, box] = [
      made("span", undefined, "pick"), made("span"), made("label", undefined, "name"), made("b"), made("small"), made("input")];
    box.type = "checkbox";
    box.id = `segment-box-${boxes.size}`;
    id.id = `${box.id}-id`;
    label.htmlFor = box.id;
    box.setAttribute("aria-describedby", id.id);
    label.append(name);
    words.append(label, id);
    pick.append(box, words);
    box.addEventListener("change", () => {
      if (box.checked) state.draft.choose(KIND, items().filter(({ key }) => key === item.key));
      else state.draft.drop(KIND, [item.key]);
    });
    const made_ = { pick, box, name, id };
    boxes.set(item.key, made_);
    return made_;
  }

  function addForm() {
    const form = made("form", undefined, "adding");
    const group = made("details");
    group.append(made("summary", TEXTS.add), form);
    const id = field({ id: "segment-id", label: TEXTS.id, help: TEXTS.idHelp });
    const namespace = field({ id: "segment-namespace", label: TEXTS.namespace, help: TEXTS.namespaceHelp });
    const name = field({ id: "segment-name", label: TEXTS.name, help: TEXTS.nameHelp });
    namespace.set(PLATFORM);
    const add = made("button", TEXTS.addButton);
    form.noValidate = true;
    form.append(id.element, namespace.element, name.element, add);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const item = { id: id.value().trim(), namespace: namespace.value().trim(), name: name.value().trim() || null };
      item.key = segmentKey(item);
      id.error(!item.id ? TEXTS.noId : state.draft.isChosen(KIND, item.key) ? TEXTS.there : null);
      namespace.error(item.namespace ? null : TEXTS.noNamespace);
      if (!item.id || !item.namespace || state.draft.isChosen(KIND, item.key)) return;
      shown.add(item.key);
      const seen = items().find(({ key }) => key === item.key);
      state.draft.choose(KIND, [seen ? { ...seen, name: item.name || seen.name } : item]);
      id.note(TEXTS.added(item.name || item.id), "good");
      id.set("");
      name.set("");
    });
    group.update = () => { add.disabled = !state.mayChange; };
    return group;
  }

  return {
    element, refilter, kind: KIND,
    candidates: items,
    update() { adding.update(); show(); },
  };
}
