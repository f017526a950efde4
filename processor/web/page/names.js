// How segments and paths are told apart: by names that no two of them share.

export const PLATFORM = "ups";

// As governance, the log and the status name a segment; a slash of a namespace must not pass for the one between the two.
export function segmentKey({ namespace, id }) {
  return `${(namespace || PLATFORM).replaceAll("%", "%25").replaceAll("/", "%2F")}/${id}`;
}

export const isWithin = (path, branch) => path.startsWith(`${branch}.`);

// The branches that a path lies in, the outermost first.
export function branchesOf(path) {
  const parts = path.split(".");
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join("."));
}
