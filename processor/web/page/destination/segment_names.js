// What people call segments: by their selectors, or else as profiles of the sample have it.

import { segmentKey } from "../names.js";
import { mappedBy } from "../selectors.js";
import { CallFailed, read } from "../calls.js";

// {of(key), take(flow), look(news)}: null where a segment has no name that is known. `news` is told where the sample has named some.
export function segmentNames() {
  let mapped = new Map();
  let seen = new Map();

  return {
    of: (key) => mapped.get(key) || seen.get(key) || null,
    take(flow) {
      mapped = new Map([...mappedBy(flow).segments.values()].map(({ key, name }) => [key, name]));
    },
    async look(news) {
      if ([...mapped].every(([key, name]) => name || seen.has(key))) return;
      try {
        const { body } = await read("/processor/sample");
        seen = new Map(body.segments.map((each) => [segmentKey(each), each.name]));
      } catch (error) {
        // Nobody has asked for a sample: without one, segments are called by their ids, which stand there anyway.
        if (!(error instanceof CallFailed)) throw error;
        return;
      }
      news();
    },
  };
}
