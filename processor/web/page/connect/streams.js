// What AWS says of an account's streams, and of one of them, in words.

import { consult } from "../calls.js";
import { told } from "../trouble.js";
import { WORDS } from "../words/connect.js";

const NEEDED = "kinesis:PutRecords";
const LISTING = "kinesis:ListStreams";

// Ask the service to look: `question` is {connectionId} or {auth: {params}}, and may have a `stream`. Throws CallFailed.
export const lookAt = async (question) => (await consult("/processor/streams", question)).body;

// Whether the account works, as {text, kind}.
export function accountWords({ list, region, problems }) {
  const TEXTS = WORDS.account;
  if (problems.length) return { text: problems.map(problemWords).join(" "), kind: "bad" };
  if (list.names) return { text: TEXTS.works(list.names.length, list.isWhole, region), kind: "good" };
  if (list.permission) return { text: TEXTS.mayNotList(list.permission), kind: "warn" };
  return { text: TEXTS.cannotList(list.problem), kind: "bad" };
}

// What is known of the stream that was asked for, as {text, kind}; of the list alone where none was.
export function streamWords({ list, region, stream, missingPermissions, problems }) {
  const TEXTS = WORDS.authentication;
  if (problems.length) return { text: problems.map(problemWords).join(" "), kind: "bad" };
  if (!stream) {
    return list.names && list.names.length ? { text: TEXTS.streamsListed(list.names.length, list.isWhole), kind: "" } : accountWords({ list, region, problems });
  }
  const lacked = lackedWords(missingPermissions);
  const all = (text, kind) => ({ text: [text, ...lacked].join(" "), kind: missingPermissions.includes(NEEDED) ? "bad" : kind });
  if (stream.exists === false) return all(TEXTS.absent(stream.name, region), "warn");
  if (stream.exists) {
    return all(TEXTS.there(stream.name, detailsOf(stream)), lacked.length || stream.status === "DELETING" ? "warn" : "good");
  }
  return all(stream.permission ? TEXTS.notKnown(stream.permission) : TEXTS.cannotLook(stream.problem), "warn");
}

// That the service could not be asked, as {text, kind}.
export const unaskedWords = (error) => ({ text: WORDS.account.cannotCheck(told(error)), kind: "warn" });

export const problemWords = ({ message, remedy }) => WORDS.wrong.told(message, remedy);

// What exports lack; that streams cannot be listed is no matter of theirs.
function lackedWords(permissions) {
  const TEXTS = WORDS.authentication;
  const others = permissions.filter((each) => each !== NEEDED && each !== LISTING);
  return [...(permissions.includes(NEEDED) ? [TEXTS.lacksNeeded(NEEDED)] : []), ...(others.length ? [TEXTS.lacks(others)] : [])];
}

function detailsOf({ status, mode, shards }) {
  const TEXTS = WORDS.authentication;
  const known = [TEXTS.status[status] || status, TEXTS.mode[mode] || mode, shards === null || shards === undefined ? "" : TEXTS.shards(shards)];
  return known.filter(Boolean).join(", ");
}
