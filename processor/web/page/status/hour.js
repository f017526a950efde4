// The flow of the last hour: asked for while somebody looks, drawn, and told as a table to who would rather read.

import { at, fill, keep, made, say } from "../elements.js";
import { clock, rate, sum } from "../formats.js";
import { chart, swatch } from "./chart.js";
import { WORDS } from "../words/status.js";

const TEXTS = WORDS.hour;
const MINUTE_MS = 60000;
const AGAIN_MS = 15000;
const ANSWER_WITHIN_MS = 10000;
const SERIES = TEXTS.series.map(([key, name]) => ({ key, name }));

let picture = null;
let points = [];
let everyS = 0;
let isSeen = false;
let asking = null; // {timer} while the service is asked again and again

// Make what the section has, once.
export function mountHour() {
  picture = chart(at("hour-chart"), SERIES, showLegend);
  at("hour-details").addEventListener("toggle", showTable);
  document.addEventListener("visibilitychange", arrange);
}

// Whether somebody looks at the view: only then is the service asked.
export function seeHour(isShown) {
  isSeen = isShown;
  arrange();
}

function arrange() {
  const isWanted = isSeen && !document.hidden;
  if (isWanted === (asking !== null)) return;
  if (isWanted) {
    asking = { timer: 0 };
    ask(asking);
  } else {
    clearTimeout(asking.timer);
    asking = null;
  }
}

async function ask(mine) {
  let next = AGAIN_MS;
  try {
    const answer = await fetch("api/flow", { mode: "same-origin", cache: "no-store", signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
    if (!answer.ok) throw new Error(String(answer.status));
    ({ points, everyS } = await answer.json());
    next = Math.max(everyS * 1000, 1000);
    say(at("hour-note"), points.length < 2 ? TEXTS.none(everyS) : TEXTS.mean(everyS), "quiet");
  } catch {
    // What the platform says of it differs by browser; that no answer came is all that it comes to.
    say(at("hour-note"), TEXTS.unheard(points), "warn");
  }
  if (mine !== asking) return; // nobody looks any more
  show();
  mine.timer = setTimeout(ask, next, mine);
}

function show() {
  const isEmpty = points.length < 2;
  for (const id of ["hour-chart", "hour-legend", "hour-details"]) at(id).hidden = isEmpty;
  if (isEmpty) return;
  picture.show(points, everyS, TEXTS.summary(points));
  showTable();
}

// The legend tells the rates of the point that is pointed at, else the latest.
function showLegend(pointedAt) {
  if (!points.length) return;
  const point = pointedAt || points[points.length - 1];
  const lines = [
    { key: "when", text: pointedAt ? TEXTS.at(point.atMs) : TEXTS.now },
    ...SERIES.map(({ key, name }) => ({ key, name, text: rate(point[key]) })),
  ];
  keep(at("hour-legend"), lines, ({ key, name }) => {
    const line = made("li");
    if (name) line.append(swatch(key), made("span", name), made("b"));
    else line.append(made("span", "", "quiet"));
    return line;
  }, (line, { text }) => say(line.lastChild, text));
}

function showTable() {
  if (!at("hour-details").open) return;
  const minutes = new Map();
  for (const point of points) {
    const minute = Math.floor(point.atMs / MINUTE_MS) * MINUTE_MS;
    minutes.set(minute, [...(minutes.get(minute) || []), point]);
  }
  const rows = [...minutes].reverse().map(([minute, all]) => ({
    key: minute,
    cells: [clock(minute).slice(0, 5), ...SERIES.map(({ key }) => rate(sum(all.map((point) => point[key])) / all.length))],
  }));
  fill(at("hour-table"), [TEXTS.minute, ...SERIES.map(({ name }) => `#${name}`)], rows, WORDS.none);
}
