// What the service reports of itself, every two seconds, as server-sent events. Whoever shows it, listens here.

const STALE_AFTER_MS = 10000; // five times the pace at which the service reports
const CONNECT_AGAIN_MS = 3000;

let heardAt = 0;
let isConnected = false;
let last = null;
const listeners = new Set();
const watchers = new Set();

// Tell `listener` of each status; one that is known already is told at once. Returns what ends it.
export function onStatus(listener) {
  listeners.add(listener);
  if (last !== null) listener(last);
  return () => listeners.delete(listener);
}

// Tell `listener` where the connection comes or goes; and once a second, for what is known grows old.
export function onFreshness(listener) {
  watchers.add(listener);
  return () => watchers.delete(listener);
}

// The status that was heard last, or null.
export const lastStatus = () => last;

// How long nothing has been heard; what was reported last counts for a while, and only while the connection stands.
export function freshness() {
  const silentMs = Date.now() - heardAt;
  return { heardAt, silentMs, isFresh: isConnected && silentMs < STALE_AFTER_MS };
}

// Begin to listen, once.
export function listen() {
  connect();
  setInterval(tellWatchers, 1000);
}

function tellWatchers() {
  for (const watcher of watchers) watcher();
}

function connect() {
  const source = new EventSource("api/events");
  source.onmessage = (event) => {
    heardAt = Date.now();
    isConnected = true;
    last = JSON.parse(event.data);
    for (const listener of listeners) listener(last);
    tellWatchers();
  };
  source.onerror = () => {
    isConnected = false;
    tellWatchers();
    // A browser connects again by itself, but not where it was refused.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, CONNECT_AGAIN_MS);
  };
}
