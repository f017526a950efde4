// What is in force, as the API answers it: read anew when a view is shown, after each change, and while the page is visible.

import { CallFailed, readAll } from "./calls.js";
import { bearer, onSession } from "./token.js";

export const PROFILE_SERVICE = "8a9c3494-9708-43d7-ae3f-cda01e5030e1";
export const AMAZON_KINESIS = "86043421-563b-46ec-8e6c-e23184711bf6";
export const PROFILE_FLOW = "71471eba-b620-49e4-90fd-23f1fa0174d8";
export const FLOW_SERVICE = "/flowservice";

const READ_EVERY_MS = 10000;
const NOTHING = {
  flow: null, flowEtag: "", target: null, targetEtag: "", base: null, baseEtag: "", source: null, sourceEtag: "",
  platform: null, platformEtag: "", flows: [], targets: [], bases: [], sources: [], platforms: [],
};

let last = null;
let known = ""; // of the last one, to see what differs
let reading = null;
let following = null; // the reading that begins when this one has ended
const listeners = new Set();
const watchers = new Set();

// Read what is in force: {flow, target, base, source, platform}, each null where absent, each with its etag (`flowEtag`), and
// every one of its kind (`flows`, `targets`, …). Where no flow is there yet, the ones that one could be made of. What is
// returned was read after it was asked for: a reading that is under way may have missed a change. Throws CallFailed.
export function load() {
  if (reading === null) return begun();
  if (following === null) {
    following = reading.catch(() => null).then(() => {
      following = null;
      return begun();
    });
  }
  return following;
}

function begun() {
  reading = read().finally(() => { reading = null; });
  return reading;
}

// What was read last; null where nothing was.
export const current = () => last;

// Tell `listener` of what is in force, whenever it differs from what was there before. Returns what ends it.
export function onChange(listener) {
  listeners.add(listener);
  if (last !== null) listener(last);
  return () => listeners.delete(listener);
}

// Tell `listener` how reading went: listener(error), or listener(null) where it went well. Returns what ends it.
export function onReading(listener) {
  watchers.add(listener);
  return () => watchers.delete(listener);
}

// Read every few seconds while the page is seen and somebody is signed in.
export function follow() {
  onSession((session) => {
    if (session === null) forget();
    else refresh();
  });
  setInterval(() => { if (!document.hidden) refresh(); }, READ_EVERY_MS);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
}

// Read, unless that is under way, and leave it to those who watch what became of it.
export function refresh() {
  if (bearer() === null || reading !== null) return;
  load().catch((error) => {
    if (!(error instanceof CallFailed)) throw error;
  });
}

function forget() {
  last = null;
  known = "";
}

async function read() {
  const asWhom = bearer();
  let found;
  try {
    const [flows, targets, sources, connections] = await Promise.all(
      ["flows", "targetConnections", "sourceConnections", "connections"].map((kind) => readAll(`${FLOW_SERVICE}/${kind}`)));
    found = joined(flows, targets, sources, connections);
  } catch (error) {
    for (const watcher of watchers) watcher(error);
    throw error;
  }
  if (bearer() !== asWhom) throw new CallFailed("unauthorised"); // it was read as somebody who has left meanwhile
  for (const watcher of watchers) watcher(null);
  const text = JSON.stringify(found);
  if (text !== known) {
    last = found;
    known = text;
    for (const listener of listeners) listener(last);
  }
  return last;
}

function joined(flows, targets, sources, connections) {
  const isOf = (spec) => (each) => each.connectionSpec && each.connectionSpec.id === spec;
  const bases = connections.filter(isOf(AMAZON_KINESIS));
  const platforms = connections.filter(isOf(PROFILE_SERVICE));
  const flow = flows.at(-1) || null;
  const target = of(targets, flow && flow.targetConnectionIds[0]);
  const source = of(sources, flow && flow.sourceConnectionIds[0]);
  const base = of(bases, target && target.baseConnectionId);
  const platform = of(platforms, source && source.baseConnectionId);
  return {
    ...NOTHING, flow, target, base, source, platform, flows, targets, bases, sources, platforms,
    flowEtag: etag(flow), targetEtag: etag(target), baseEtag: etag(base), sourceEtag: etag(source), platformEtag: etag(platform),
  };
}

// The one of this id; where none is asked for, the one that was made last, which is what a broken-off set-up left.
const of = (items, id) => (id ? items.find((each) => each.id === id) : items.at(-1)) || null;
const etag = (object) => (object ? object.etag : "");
