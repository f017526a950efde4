// What governance lets through, and what the workers say of the configuration.

import { at, fill, list, say } from "../elements.js";
import { WORDS } from "../words/status.js";

export function showGovernance(workers) {
  const texts = WORDS.governance;
  const { destination } = workers[0];
  say(at("governance"), texts.summary(destination.marketingActions, destination.enforcement, destination.consentPolicies));
  const rows = destination.items.map((item) => ({
    key: `${item.kind} ${item.name}`,
    cells: [
      { text: item.name, kind: "text" }, item.kind, item.labels.join(", "),
      item.removedBy ? { text: texts.removed, kind: "bad" } : { text: texts.exported, kind: "good" },
      item.removedBy ? { text: texts.by(item.removedBy, item.action), kind: "text" } : "",
    ],
  }));
  fill(at("items"), texts.headings, rows, texts.none);
  const problems = [...new Set(workers.flatMap((worker) => worker.destination.problems))];
  at("reload-section").hidden = !problems.length;
  list(at("reload"), problems.map((problem) => ({ key: problem, text: problem })));
}
