// A chart of rates over time: lines in a picture that is drawn anew as points come, and as its place gets wider or narrower.

import { clock, number } from "../formats.js";
import { digitsOf, roundTimes, roundValues } from "./scales.js";
import { WORDS } from "../words/status.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 196;
const EDGES = { top: 24, right: 8, bottom: 22 };
const GUTTER_LEAST = 34;
const LETTER = 8; // about the width of a digit
const LABEL_ROOM = 72;
const SPAN_LEAST_MS = 300000; // a service that has just begun has a chart that fills slowly, not one that is a single leap
const MISSING = 2.5; // times the time between points: beyond it nobody looked, and there is no line

// A chart in `place` of the series, each {key, name}. `show(points, everyS)` draws; `onMoment` is told the point that is pointed at,
// or null where none is.
export function chart(place, series, onMoment) {
  const picture = drawn("svg", { role: "img", class: "chart" });
  place.append(picture);
  let points = [];
  let everyMs = 0;
  let plot = null;
  let pointedAt = null;

  function draw() {
    const width = place.clientWidth;
    if (!width || points.length < 2) return;
    plot = plotOf(points, series, width);
    picture.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    picture.setAttribute("width", width);
    picture.setAttribute("height", HEIGHT);
    picture.replaceChildren(
      ...grid(plot), ...series.flatMap(({ key }) => lines(plot, points, key, everyMs)), ...moment(plot, pointedAt, series));
  }

  function point(at) {
    if (at === pointedAt) return;
    pointedAt = at;
    picture.querySelectorAll(".moment").forEach((mark) => mark.remove());
    if (plot) picture.append(...moment(plot, pointedAt, series));
    onMoment(pointedAt);
  }

  picture.addEventListener("pointermove", (event) => {
    if (plot) point(nearest(points, plot.timeAt(event.clientX - picture.getBoundingClientRect().left)));
  });
  for (const what of ["pointerleave", "pointercancel"]) picture.addEventListener(what, () => point(null));
  new ResizeObserver(draw).observe(place);

  return {
    show(newPoints, everyS, words) {
      points = newPoints;
      everyMs = everyS * 1000;
      if (pointedAt) pointedAt = points.find(({ atMs }) => atMs === pointedAt.atMs) || null;
      picture.setAttribute("aria-label", words);
      draw();
      onMoment(pointedAt);
    },
  };
}

// A line as it stands in the legend.
export function swatch(key) {
  const picture = drawn("svg", { class: "swatch", width: 26, height: 10, viewBox: "0 0 26 10", "aria-hidden": "true" });
  picture.append(drawn("path", { class: `line ${key}`, d: "M1 5H25" }));
  return picture;
}

function drawn(tag, attributes, text) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

// Where times and values stand in a picture of this width.
function plotOf(points, series, width) {
  const values = roundValues(Math.max(...points.flatMap((point) => series.map(({ key }) => point[key]))));
  const digits = digitsOf(values[1]);
  const labels = values.map((value) => number(value, digits));
  const left = Math.max(GUTTER_LEAST, Math.max(...labels.map((label) => label.length)) * LETTER + 8);
  const right = width - EDGES.right;
  const toMs = points[points.length - 1].atMs;
  const fromMs = Math.min(points[0].atMs, toMs - SPAN_LEAST_MS);
  const bottom = HEIGHT - EDGES.bottom;
  const most = values[values.length - 1];
  return {
    left, right, bottom, labels, values, fromMs, toMs,
    x: (ms) => round(left + ((ms - fromMs) / (toMs - fromMs)) * (right - left)),
    y: (value) => round(bottom - (value / most) * (bottom - EDGES.top)),
    timeAt: (x) => fromMs + ((x - left) / (right - left)) * (toMs - fromMs),
  };
}

const round = (value) => Math.round(value * 10) / 10;

function grid({ left, right, bottom, labels, values, fromMs, toMs, x, y }) {
  const marks = [drawn("text", { class: "unit", x: 0, y: 10 }, WORDS.hour.unit)];
  values.forEach((value, index) => {
    marks.push(drawn("path", { class: index ? "rule" : "axis", d: `M${left} ${y(value)}H${right}` }));
    marks.push(drawn("text", { class: "value", x: left - 6, y: y(value) + 4 }, labels[index]));
  });
  for (const ms of roundTimes(fromMs, toMs, (right - left) / LABEL_ROOM)) {
    const at = x(ms);
    marks.push(drawn("path", { class: "axis", d: `M${at} ${bottom}V${bottom + 4}` }));
    if (at > left + 10 && at < right - 14) marks.push(drawn("text", { class: "time", x: at, y: HEIGHT - 5 }, clock(ms).slice(0, 5)));
  }
  return marks;
}

// A series as lines, one for each stretch without a gap. Dead letters, few as they are, are a band beside their line, and no line
// where there were none.
function lines(plot, points, key, everyMs) {
  const isRare = key === "deadLettered";
  const there = isRare ? points.filter((point) => point[key] > 0) : points;
  return stretches(there, everyMs).flatMap((stretch) => {
    const [first, last] = [stretch[0], stretch[stretch.length - 1]].map(({ atMs }) => plot.x(atMs));
    const steps = stretch.map((point) => `${plot.x(point.atMs)} ${plot.y(point[key])}`);
    const line = drawn("path", { class: `line ${key}`, d: `M${steps.join("L")}h.1` });
    if (key === "received") return [drawn("path", { class: "area", d: `M${steps.join("L")}V${plot.bottom}H${first}Z` }), line];
    if (!isRare) return [line];
    return [drawn("path", { class: "band", d: `M${first - 1.5} ${EDGES.top}H${last + 1.5}V${plot.bottom}H${first - 1.5}Z` }), line];
  });
}

function stretches(points, everyMs) {
  const found = [];
  points.forEach((point, index) => {
    if (!index || point.atMs - points[index - 1].atMs > MISSING * everyMs) found.push([]);
    found[found.length - 1].push(point);
  });
  return found;
}

// What marks the point that is pointed at.
function moment({ x, y, bottom }, point, series) {
  if (!point) return [];
  const at = x(point.atMs);
  const marks = [
    drawn("path", { class: "rule", d: `M${at} ${EDGES.top}V${bottom}` }),
    ...series.map(({ key }) => drawn("circle", { class: `dot ${key}`, cx: at, cy: y(point[key]), r: 3.5 })),
  ];
  marks.forEach((mark) => mark.classList.add("moment"));
  return marks;
}

function nearest(points, ms) {
  let found = points[0];
  for (const point of points) if (Math.abs(point.atMs - ms) < Math.abs(found.atMs - ms)) found = point;
  return found;
}
