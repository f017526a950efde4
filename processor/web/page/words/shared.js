// What more than one view says, and what any call can fail with.

import { number } from "../formats.js";

// What became of a change that was kept, as `change` of calls.js returns it.
export const KEPT = "kept";
export const KEPT_UNTOLD = "kept, though its answer was lost";

export const WORDS = {
  views: { status: "Status", destination: "Destination", connect: "Connect", activate: "Activate" },
  navigation: "Views",
  signIn: "Sign in",
  signOut: "Sign out",
  signedIn: (name, mayChange) => (mayChange ? `Signed in: ${name}` : `Signed in: ${name}, may read`),
  signInTitle: "Sign in",
  signInWhy: "With a token of the API you connect, activate and see what is in force. This page keeps it in memory: it is gone with this tab.",
  token: "Token",
  tokenHelp: "One of PROCESSOR_API_TOKEN_FILE, or of PROCESSOR_API_READ_TOKEN_FILE, which may read.",
  tokenMissing: "Give the token.",
  tokenForm: "A token has no blanks and no letters beyond a to z.",
  tokenUnknown: "The service does not know this token. Tokens stand in the files of PROCESSOR_API_TOKEN_FILE and PROCESSOR_API_READ_TOKEN_FILE, one a line.",
  tokenEnded: "The service does not know the token any more. Sign in with another one.",
  readsOnly: "Your token may read, and change nothing. Sign in with one that may change.",
  underWay: (doing) => `${doing} …`,
  wait: "One moment",
  cancel: "Cancel",
  close: "Close",
  back: "Back",
  next: "Next",
  retry: "Try again",
  optional: "optional",
  loading: "Reading …",
  steps: "Steps",
  stepOf: (place, all, title) => `Step ${place} of ${all}: ${title}`,
  chosen: (count, all) => `${number(count)} of ${number(all)} chosen`,
  remedy: (message, remedy) => (remedy ? `${ended(message)} ${ended(remedy)}` : ended(message)),
  failed: {
    lost: "The service did not answer, and whether the change was kept is not known. What stands here is read again as soon as it answers: look at it before you try again.",
    lostUnkept: "The connection broke before the service had the change. Nothing was changed: try again.",
    lostRead: "The service does not answer just now.",
    unauthorised: "The service does not know the token any more. Sign in again.",
    forbidden: "Your token may read, and change nothing.",
    busy: "The service has enough to do just now. Try again in a moment.",
    unavailable: "Kafka is away, or something of the service must be mended. Nothing can be changed meanwhile.",
    conflict: "Somebody else changed it meanwhile.",
    fault: (number) => `A fault of the service. Please report it${number ? `, with the number ${number}` : ""}.`,
    unknown: "Whether the change was kept is not known: look at what stands here before you try again.",
    refused: "The service has refused it.",
  },
  kept: { [KEPT]: "Kept.", [KEPT_UNTOLD]: "The answer was lost on its way; the change was kept all the same." },
  conflict: {
    title: "Somebody else changed this meanwhile",
    intro: "Nothing of yours was kept yet. This is what the change is about:",
    member: "what",
    had: "as you saw it",
    now: "as it is now",
    wanted: "as you want it",
    nothing: "not there",
    same: "nothing of it differs",
    again: "Do mine on what is there now",
    leave: "Leave it as it is now",
  },
};

function ended(sentence) {
  const text = sentence.charAt(0).toUpperCase() + sentence.slice(1);
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}
