// Why the service is not ready, what is defined, and what its log has warned of.

import { at, keep, made, say } from "../elements.js";
import { WORDS } from "../words/status.js";

const ERRORS_SHOWN = 30;

export function showErrors(workers) {
  const entries = workers.flatMap((worker) => worker.errors.map((entry) => (
    { ...entry, worker: worker.worker, key: `${worker.worker} ${entry.at} ${entry.event}` })));
  entries.sort((a, b) => b.at - a.at);
  const shown = [...new Map(entries.map((entry) => [entry.key, entry])).values()].slice(0, ERRORS_SHOWN);
  keep(at("errors"), shown.length ? shown : [{ key: "none" }], (entry) => {
    if (!entry.event) return made("li", WORDS.none, "quiet");
    const line = made("li", undefined, entry.level === "warning" ? "warn" : "bad");
    const fields = Object.entries(entry.fields).filter(([name]) => name !== "worker").map(([name, value]) => `${name}=${value}`).join(" ");
    line.append(
      made("span", WORDS.errors.from(entry.at * 1000, entry.worker), "quiet"),
      made("strong", entry.event), made("span", ` ${fields}`, "quiet"),
    );
    return line;
  }, () => {});
}

export function showReasons({ reasons }) {
  const entries = Object.entries(reasons);
  at("reasons-section").hidden = !entries.length;
  const lines = entries.flatMap(([what, why]) => [
    { key: `what ${what}`, tag: "dt", text: what }, { key: `why ${what}`, tag: "dd", text: why },
  ]);
  keep(at("reasons"), lines, (line) => made(line.tag), (element, line) => say(element, line.text));
}

export function showNotice({ notice }) {
  at("notice-section").hidden = !notice;
  say(at("notice"), notice || "");
}
