// What becomes of a change after it is kept, told from the status: workers take it up, and a backfill goes on until its end.

const SETTLED_AFTER = 4; // reports in a row, two seconds apart

const causeOf = ({ fingerprint, former, request }) => JSON.stringify([fingerprint, former, request]);

// The backfills that were told of before a change: later ones are others.
export function backfillsOf(status) {
  return new Map((status?.workers || []).flatMap(({ backfills }) => backfills.map((each) => [each.partition, causeOf(each)])));
}

// Follows a change: `before` as `backfillsOf` tells it; `mapped` and `unmapped` are names of items that workers have, and have no more, once
// they follow it. `took(status)` returns {stage, share, leftS, exported, profiles, refused, partitions, toTake, inAll, notice}; stages are
// `idle`, `taking`, `watching`, `reading`, `due`, `running`, `complete` and `nothing`; `isIdle` says that no worker is to run with it.
export function following(before, { mapped, unmapped, isIdle }) {
  let settled = 0;
  let idle = 0;
  return function took(status) {
    const { workers } = status;
    const { reasons } = status;
    // What is told right after a change may be of before it: no worker is to run, or workers have not heard of it.
    idle = workers.length || !status.notice ? 0 : idle + 1;
    if (!workers.length) {
      // Somebody may have disabled the dataflow since, and may enable it again: that is no end.
      const isStill = isIdle || idle >= SETTLED_AFTER;
      return { stage: isStill && status.notice ? "idle" : "taking", notice: status.notice, reasons, isPassing: !isIdle };
    }
    if (isIdle || !workers.every((worker) => follows(worker, mapped, unmapped))) return { stage: "taking", reasons };
    const backfills = workers.flatMap((worker) => worker.backfills)
      .filter((each) => before.get(each.partition) !== causeOf(each));
    const counts = { off: 0, waiting: 0, running: 0, complete: 0 };
    for (const { stage } of backfills) counts[stage] += 1;
    const sum = (of) => backfills.reduce((total, each) => total + of(each), 0);
    const told = {
      reasons,
      partitions: counts,
      share: backfills.length - counts.off ? sum(({ stage, share }) => (stage === "off" ? 0 : share)) / (backfills.length - counts.off) : 0,
      leftS: status.backfill?.leftS ?? null,
      profiles: sum(({ profiles }) => profiles),
      exported: sum(({ exported }) => exported),
      refused: sum(({ refused }) => Object.values(refused).reduce((total, count) => total + count, 0)),
      unmet: sum(({ unmet }) => unmet || 0),
      toTake: status.lag.records,
      inAll: workers.reduce((total, { totals }) => total + totals.exported, 0),
    };
    if (counts.waiting + counts.running) {
      settled = 0;
      return { ...told, stage: "running" };
    }
    // Partitions begin one by one: what is complete now may not be all.
    const assigned = workers.flatMap(({ partitions }) => partitions.map(({ partition }) => partition));
    const isWhole = backfills.length > 0 && assigned.every((partition) => backfills.some((each) => each.partition === partition));
    settled = status.ready ? settled + 1 : 0;
    const isSettled = isWhole || settled >= SETTLED_AFTER;
    if (counts.off) return { ...told, stage: isSettled ? "due" : "running" };
    if (counts.complete) return { ...told, stage: isSettled ? "complete" : "running" };
    if (told.toTake) return { ...told, stage: "reading" };
    return { ...told, stage: isSettled ? "nothing" : "watching" };
  };
}

function follows({ destination }, mapped, unmapped) {
  const names = new Set(destination.items.map(({ kind, name }) => `${kind} ${name}`));
  return mapped.every((name) => names.has(name)) && !unmapped.some((name) => names.has(name));
}
