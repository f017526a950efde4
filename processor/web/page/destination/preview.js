// What profiles would be sent by a change, before it is made: a dry run of it, on a sample of the topic.

import { showBackfill, showExamples } from "../activate/foreseen.js";
import { consult } from "../calls.js";
import { made, say } from "../elements.js";
import { told } from "../trouble.js";
import { WORDS } from "../words/destination.js";

const TEXTS = WORDS.preview;

// {element, look(request, etag), say(words)}: `request` is {method, path, body}. Where several are asked for, the last is shown.
export function previewOf(on) {
  const element = made("section", undefined, "preview");
  const [state, backfill, examples, more] = [made("p", "", "quiet"), made("div"), made("div"), made("details")];
  state.setAttribute("role", "status");
  more.append(made("summary", TEXTS.examples), examples);
  element.append(made("h3", TEXTS.heading), state, backfill, more);
  let turn = 0;

  function put(words, kind = "quiet") {
    say(state, words, kind);
    backfill.replaceChildren();
    more.hidden = true;
  }

  async function look({ method, path, body }, etag) {
    turn += 1;
    const mine = turn;
    put(TEXTS.looking);
    let found, failure;
    try {
      ({ body: found } = await consult("/processor/previews", {
        method, path: `/data/foundation${path}`, ...(body === undefined ? {} : { body }), ifMatch: `"${etag.replaceAll("\"", "")}"`,
      }));
    } catch (error) {
      failure = error;
    }
    if (mine !== turn) return;
    if (failure) put(failure.kind === "refused" ? TEXTS.refused(told(failure)) : TEXTS.failed(told(failure)), "warn");
    else show(found);
  }

  function show(found) {
    const { sample, backfill: coming, idle, exports } = found;
    put([TEXTS.sampled(sample.profiles, sample.sampledAtMs), ...(coming.exported || idle ? [] : [TEXTS.nobody])].join(" "));
    if (idle || coming.exported) showBackfill(backfill, coming, { idle, nameOf: (key) => on.nameOf(key) || key });
    showExamples(examples, exports);
    more.hidden = !exports.length;
  }

  return { element, look, say(words) { turn += 1; put(words); } };
}
