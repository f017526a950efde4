// Which view is shown, by the address's hash, and who is signed in. Without the API, or signed out, there is the status alone.
//
// A view is {name, mount(root), show(), hide()}: `mount` makes its elements once, as somebody signs in; `show` and `hide` tell
// it that it is seen or not. A view's `name` is its hash, and its label in WORDS.views.

import { button, closeAll } from "./dialogs.js";
import { at, made, say } from "./elements.js";
import { onStatus } from "./events.js";
import { askToSignIn } from "./signing.js";
import { onSession, signOut } from "./token.js";
import { WORDS } from "./words/shared.js";

const FIRST = "status";

let all = [];
let isOffered = false;
let session = null;
let shown = null;
const mounted = new Set();

// Show the views, the first of which is the status; whose elements are in the page already.
export function begin(views) {
  all = views;
  at("views").setAttribute("aria-label", WORDS.navigation);
  for (const { name } of all) {
    const link = made("a", WORDS.views[name]);
    link.href = `#${name}`;
    at("views").append(link);
  }
  all[0].mount(rootOf(FIRST));
  mounted.add(FIRST);
  onStatus(({ api }) => {
    if (isOffered === Boolean(api)) return;
    isOffered = Boolean(api);
    arrange();
  });
  onSession((now, isUnknown) => {
    session = now;
    if (now === null) unmount();
    arrange();
    if (isUnknown) askToSignIn(WORDS.tokenEnded);
  });
  window.addEventListener("hashchange", () => showWanted(true));
}

// Go to a view by its name.
export function go(name) {
  if (location.hash === `#${name}`) showWanted(true);
  else location.hash = name;
}

function arrange() {
  at("views").hidden = session === null;
  at("session").hidden = !isOffered && session === null;
  const who = made("span", session ? WORDS.signedIn(session.name, session.mayChange) : "", "quiet");
  const way = button(session ? WORDS.signOut : WORDS.signIn);
  way.addEventListener("click", () => {
    if (session) signOut();
    else askToSignIn();
  });
  const hadFocus = at("session").contains(document.activeElement);
  at("session").replaceChildren(who, way);
  if (hadFocus) way.focus();
  showWanted(false);
}

// A signed-out tab keeps nothing of what the token has let it read.
function unmount() {
  closeAll();
  for (const view of all.slice(1)) {
    if (!mounted.delete(view.name)) continue;
    if (shown === view) {
      view.hide();
      shown = null;
    }
    rootOf(view.name).remove();
  }
}

function showWanted(isAsked) {
  const name = location.hash.slice(1);
  const wanted = (session && all.find((view) => view.name === name)) || all[0];
  for (const link of at("views").children) {
    if (link.getAttribute("href") === `#${wanted.name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (wanted === shown) return;
  if (shown) {
    shown.hide();
    rootOf(shown.name).hidden = true;
  }
  shown = wanted;
  const root = rootOf(wanted.name);
  if (!mounted.has(wanted.name)) {
    mounted.add(wanted.name);
    wanted.mount(root);
  }
  root.hidden = false;
  wanted.show();
  // Whoever follows a link by keyboard or ear goes on in what it leads to.
  const heading = root.querySelector("h2");
  if (isAsked && heading) {
    heading.tabIndex = -1;
    heading.focus();
    say(at("view-told"), WORDS.views[wanted.name]);
  }
}

function rootOf(name) {
  const found = at(`view-${name}`);
  if (found) return found;
  const root = made("div", undefined, "view");
  root.id = `view-${name}`;
  root.hidden = true;
  at("main").append(root);
  return root;
}
