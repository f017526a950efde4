// Whether what the page shows is so now: its words, the tab's title and icon.

import { at, say } from "../elements.js";
import { freshness, lastStatus } from "../events.js";
import { clock } from "../formats.js";
import { WORDS } from "../words/status.js";

const ICONS = { good: "icon.svg", bad: "icon-unready.svg", unknown: "icon-unknown.svg" };
const MARKS = { good: "", bad: "✗ ", unknown: "? " };

export function showFreshness() {
  const { heardAt, silentMs, isFresh } = freshness();
  const last = lastStatus();
  const state = !isFresh ? "unknown" : last.live && last.ready ? "good" : "bad";
  say(at("state"), stateWords(state, last), `state ${state === "good" ? "good" : "bad"}`);
  if (isFresh) say(at("freshness"), WORDS.state.live, "quiet");
  else if (last) say(at("freshness"), WORDS.state.silent(Math.round(silentMs / 1000), clock(heardAt)), "bad");
  else say(at("freshness"), WORDS.state.nothingYet, "quiet");
  document.body.classList.toggle("stale", !isFresh && last !== null);
  const title = `${MARKS[state]}${at("title").textContent}`;
  if (document.title !== title) document.title = title;
  const icon = document.querySelector("link[rel=icon]");
  if (icon.getAttribute("href") !== ICONS[state]) icon.setAttribute("href", ICONS[state]);
}

function stateWords(state, last) {
  if (!last) return WORDS.state.connecting;
  if (state === "unknown") return WORDS.state.unreachable;
  if (state === "good") return WORDS.state.ready;
  return last.live ? WORDS.state.notReady : WORDS.state.stalled;
}
