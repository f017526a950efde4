// What can be said of answers before anybody is asked: the same that `processor init` says in the terminal.

import { WORDS } from "../words/connect.js";
import { HIDDEN } from "./objects.js";

const WRONG = WORDS.wrong;
const ENDPOINT = /^https?:\/\/[^\s/?#]+/i;
const ARN = /^arn:aws[a-z-]*:kinesis:([a-z0-9-]+):[0-9]{12}:stream\/[a-zA-Z0-9_.-]{1,128}$/;
// AWS's ids of keys begin with four letters, as AKIA, and have some twenty characters without an underscore.
const KEY_ITSELF = /^A[A-Z]{3}[A-Z0-9]{12,}$/;

// Each says what is wrong with an answer, in words; null where nothing is.
export const wrongName = (text) => (text.trim() ? null : WRONG.name);
export const wrongRegion = (text) => (/^[a-z0-9-]{2,40}$/.test(text) ? null : WRONG.region);

export function wrongVariable(text) {
  const name = variableOf(text);
  if (KEY_ITSELF.test(name)) return WRONG.keyItself;
  return /^EXPORT_[A-Za-z0-9_]*$/.test(name) ? null : WRONG.variable;
}

// `keepsKeys`: two empty fields stand for the keys that are there.
export function wrongKeys(accessKeyId, secretKey, keepsKeys) {
  if (!accessKeyId && !secretKey && keepsKeys) return { accessKeyId: null, secretKey: null };
  const wrong = (text, missing) => (text === HIDDEN ? WRONG.hidden : text ? null : missing);
  const together = Boolean(accessKeyId) !== Boolean(secretKey) ? WRONG.together : null;
  return {
    accessKeyId: wrong(accessKeyId, together || WRONG.accessKeyId),
    secretKey: wrong(secretKey, together || WRONG.secretKey),
  };
}

export function wrongEndpoint(text) {
  if (!text) return null;
  if (!ENDPOINT.test(text) || !URL.canParse(text)) return WRONG.endpoint;
  return new URL(text).username || new URL(text).password ? WRONG.endpointUser : null;
}

export function wrongStream(text, region) {
  if (!text) return WRONG.stream;
  const arn = ARN.exec(text);
  if (!arn) return /^[a-zA-Z0-9_.-]{1,128}$/.test(text) ? null : WRONG.streamForm;
  return region && arn[1] !== region ? WRONG.arnRegion(arn[1], region) : null;
}

// `names`: of the actions that there are.
export function wrongActionName(text, names) {
  if (!/^[A-Za-z0-9_.-]{1,100}$/.test(text) || text === "." || text === "..") return WRONG.actionName;
  if (names.includes(text)) return WRONG.actionThere(text);
  const close = names.find((each) => each.toLowerCase() === text.toLowerCase());
  return close ? WRONG.actionSpelled(close) : null;
}

// A variable's name, also where it is written as the API refers to it.
const variableOf = (text) => text.replace(/^\$\{(.*)\}$/, "$1");

// An account's parameters, as the API has them.
export function paramsOf({ way, accessKeyVariable, secretKeyVariable, accessKeyId, secretKey, region, endpoint }) {
  const keys = {
    variables: () => ({ accessKeyId: `\${${variableOf(accessKeyVariable)}}`, secretKey: `\${${variableOf(secretKeyVariable)}}` }),
    keys: () => ({ accessKeyId, secretKey }),
  }[way];
  return { ...(keys ? keys() : {}), region, ...(endpoint ? { connectionUrl: endpoint } : {}) };
}
