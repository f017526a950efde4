// What the choices come from: a sample of the topic, when it was read, and what was wrong with it.

import { button, during } from "../dialogs.js";
import { list, made, say } from "../elements.js";
import { told } from "../trouble.js";
import { WORDS } from "../words/activate.js";

const TEXTS = WORDS.sample;

// `read(isAnew)` reads the sample; `onSample` is told of it.
export function sampleNote({ read, onSample }) {
  const element = made("div", undefined, "sample");
  const words = made("p", TEXTS.reading, "quiet");
  words.role = "status";
  const notes = made("ul", undefined, "notes");
  const anew = button(TEXTS.refresh, "plain");
  element.append(words, anew, notes);
  anew.addEventListener("click", () => during(anew, TEXTS.refreshing, () => look(true)));

  async function look(isAnew = false) {
    try {
      const sample = await read(isAnew);
      say(words, sample.profiles ? TEXTS.of(sample) : TEXTS.none, sample.profiles ? "quiet" : "warn");
      list(notes, notesOf(sample));
      onSample(sample);
    } catch (error) {
      say(words, TEXTS.failed(told(error)), "warn");
    }
  }

  return { element, look };
}

function notesOf({ invalid, partitions, partitionsRead }) {
  return [
    ...(Object.keys(invalid).length ? [{ key: "invalid", text: TEXTS.invalid(invalid), kind: "warn" }] : []),
    ...(partitionsRead < partitions ? [{ key: "partly", text: TEXTS.partly(partitionsRead, partitions), kind: "quiet" }] : []),
  ];
}
