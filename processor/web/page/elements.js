// Elements of the page. Texts are only ever set as texts: nothing that anybody reports or types can become markup.

export const at = (id) => document.getElementById(id);

// What reverses the text that stands around it: whoever names a segment is not to turn our sentences about. It is seen instead.
const TURNING = /[\u202a-\u202e\u2066-\u2069]/g;
const SEEN = "\ufffd";

const unturned = (text) => (typeof text === "string" ? text.replace(TURNING, SEEN) : text);

export function made(tag, text, className) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = unturned(text);
  if (className) element.className = className;
  return element;
}

// What is the same is left alone, so that a text that somebody has selected stays selected.
export function say(element, text, className) {
  const shown = unturned(text);
  if (element.textContent !== shown) element.textContent = shown;
  if (className !== undefined && element.className !== className) element.className = className;
}

// The children of `parent`, one for each item, in place: `make` makes one for an item, `update` has it show the item.
export function keep(parent, items, make, update) {
  const kept = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  const wanted = new Set(items.map((item) => String(item.key)));
  for (const [key, child] of kept) if (!wanted.has(key)) child.remove();
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = String(item.key);
    let child = kept.get(key);
    if (!child) {
      child = make(item);
      child.dataset.key = key;
    }
    if (place === child) place = child.nextElementSibling;
    else parent.insertBefore(child, place);
    update(child, item);
  }
}

const NO_ROW = "\u0000"; // as no row is called: a shard's name may be empty

const asObject = (cell) => (typeof cell === "object" && cell !== null ? cell : { text: cell });

// A table's rows in place. A heading that begins with # is of numbers; a row is {key, cells}, whose first cell names it;
// a cell is a text, or {text, kind, bar, barName}, or {element}, which is put there once and is its maker's.
export function fill(table, headings, rows, empty) {
  if (!table.tHead) {
    const line = table.createTHead().insertRow();
    for (const heading of headings) {
      const place = made("th", heading.replace("#", ""), heading.startsWith("#") ? "number" : "");
      place.scope = "col";
      line.append(place);
    }
    table.createTBody();
    // Stacked on a narrow screen a table is no table any more to some readers, unless it says so.
    for (const [element, role] of [[table, "table"], [line, "row"], ...[...line.cells].map((place) => [place, "columnheader"])]) {
      element.setAttribute("role", role);
    }
  }
  const shown = rows.length ? rows : [{ key: NO_ROW, cells: null }];
  keep(table.tBodies[0], shown, (row) => newRow(row, headings), (line, row) => {
    if (row.cells === null) say(line.cells[0], empty, "quiet");
    else row.cells.forEach((cell, index) => setCell(line.cells[index], asObject(cell), headings[index]));
  });
}

function newRow(row, headings) {
  const line = made("tr");
  line.setAttribute("role", "row");
  if (row.cells === null) {
    const place = made("td");
    place.colSpan = headings.length;
    place.setAttribute("role", "cell");
    line.append(place);
    return line;
  }
  headings.forEach((heading, index) => {
    const place = made(index ? "td" : "th");
    if (!index) place.scope = "row";
    place.setAttribute("role", index ? "cell" : "rowheader");
    place.dataset.heading = heading.replace("#", "");
    place.append(made("span"));
    line.append(place);
  });
  return line;
}

function setCell(place, cell, heading) {
  if (cell.element) {
    if (!place.contains(cell.element)) place.replaceChildren(cell.element);
    return;
  }
  const className = [heading.startsWith("#") ? "number" : "", cell.kind || "", cell.text === "" ? "empty" : ""].filter(Boolean).join(" ");
  if (place.className !== className) place.className = className;
  say(place.firstChild, String(cell.text));
  let bar = place.querySelector("progress");
  if (cell.bar === undefined) {
    if (bar) bar.remove();
    return;
  }
  if (!bar) {
    bar = made("progress");
    bar.setAttribute("aria-label", cell.barName);
    place.append(bar);
  }
  bar.value = cell.bar;
}

// Figures in a row: {key, name, value, note, kind}.
export function figures(place, items) {
  keep(place, items, (item) => {
    const figure = made("li", item.name);
    figure.append(made("b"), made("span", "", "quiet"));
    return figure;
  }, (figure, item) => {
    if (figure.className !== (item.kind || "")) figure.className = item.kind || "";
    say(figure.children[0], item.value);
    say(figure.children[1], item.note);
  });
}

// Lines of a list: {key, text, kind}.
export const list = (place, items) => keep(place, items, () => made("li"), (line, item) => say(line, item.text, item.kind || ""));
