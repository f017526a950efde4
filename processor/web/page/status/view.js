// The status view: what the service does now. Its elements are the page's own: it is there before anybody signs in.

import { at, say } from "../elements.js";
import { onFreshness, onStatus } from "../events.js";
import { showBackfill } from "./backfill.js";
import { showFlow, showLag, showLimit } from "./flow.js";
import { showFreshness } from "./freshness.js";
import { mountHour, seeHour } from "./hour.js";
import { showGovernance } from "./governance.js";
import { showPartitions, showShards, showWorkers } from "./tables.js";
import { showErrors, showNotice, showReasons } from "./troubles.js";
import { WORDS } from "../words/status.js";

export const VIEW = {
  name: "status",
  mount() {
    for (const [id, text] of Object.entries(WORDS.texts)) say(at(id), text);
    say(at("state"), WORDS.state.connecting);
    mountHour();
    onStatus(show);
    onFreshness(showFreshness);
  },
  show: () => seeHour(true),
  hide: () => seeHour(false),
};

function show(status) {
  const { workers } = status;
  showNotice(status);
  showReasons(status);
  showLag(status);
  showLimit(workers);
  showBackfill(status);
  showWorkers(status);
  showPartitions(workers);
  showShards(workers);
  showErrors(workers);
  // Where no worker is to run, what earlier ones had is no news; where none answers yet, it may be all that is known.
  document.body.classList.toggle("idle", Boolean(status.notice) && !workers.length);
  if (workers.length) {
    const { destination, topic, group, version } = workers[0];
    say(at("title"), destination.name);
    say(at("place"), WORDS.place(topic, group, destination.stream, destination.region));
    say(at("version"), WORDS.version(version));
    showFlow(workers);
    showGovernance(workers);
  }
}
