// Dotted paths as a tree: data, without a page.

import { branchesOf } from "../names.js";

// The nodes at the top: {path, name, seen, children, leaves}; `seen` is what the sample has of it, `leaves` how many attributes lie in it.
// `others` are paths that the sample has not.
export function treeOf(attributes, others) {
  const nodes = new Map();
  const top = [];
  const nodeAt = (path) => {
    const there = nodes.get(path);
    if (there) return there;
    const made = { path, name: path.slice(path.lastIndexOf(".") + 1), seen: null, children: [], leaves: 0 };
    nodes.set(path, made);
    const branch = branchesOf(path).at(-1);
    (branch === undefined ? top : nodeAt(branch).children).push(made);
    return made;
  };
  for (const attribute of attributes) nodeAt(attribute.path).seen = attribute;
  for (const path of others) nodeAt(path);
  sort(top);
  top.forEach(count);
  return { top, nodes };
}

function sort(nodes) {
  nodes.sort((a, b) => a.name.localeCompare(b.name, "en"));
  for (const { children } of nodes) sort(children);
}

function count(node) {
  node.children.forEach(count);
  node.leaves = node.children.reduce((sum, child) => sum + (child.leaves || 1), 0);
}

// The paths whose nodes are shown where `text` is looked for: those that have it, with all that they lie in, and what lies in a branch whose name has it.
export function matching(nodes, text) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return null;
  const shown = new Set();
  for (const path of nodes.keys()) {
    if (!path.toLowerCase().includes(wanted)) continue;
    shown.add(path);
    for (const branch of branchesOf(path)) shown.add(branch);
  }
  return shown;
}
