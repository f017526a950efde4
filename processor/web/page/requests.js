// One request to the API: what it answered, or why there is no answer, as an error of one kind.

const PREFIX = "data/foundation"; // of the page's own place: a proxy may serve both under a path
const ANSWER_WITHIN_MS = 70000; // the service itself answers a change within a minute
const KINDS = { 401: "unauthorised", 403: "forbidden", 412: "conflict", 429: "busy", 503: "unavailable" };
const OF_PROXIES = [502, 504]; // the service was not reached, or did not answer in time

// A call without the answer that it was made for. `kind` says what became of it: "refused", "conflict", "unauthorised",
// "forbidden", "busy", "unavailable", "lost" or "fault". `problem` is the API's own account of it, or null; `isKnown` is
// whether it is known that nothing was changed, `isChange` whether it was to change anything; `requestId` is what the service's
// log has of it.
export class CallFailed extends Error {
  constructor(kind, { problem = null, status = 0, isKnown = true, isChange = false, requestId = "", retryAfterS = null } = {}) {
    super(problem ? problem.detail : kind);
    this.name = "CallFailed";
    this.kind = kind;
    this.problem = problem;
    this.status = status;
    this.isKnown = isKnown;
    this.isChange = isChange;
    this.requestId = requestId;
    this.retryAfterS = retryAfterS;
  }
}

// Ask once. `path` is below the API's prefix; `body` is sent as JSON where there is one.
export async function ask(method, path, { bearer, body = undefined, ifMatch = "", withinMs = ANSWER_WITHIN_MS }) {
  const headers = { Authorization: `Bearer ${bearer}`, Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (ifMatch) headers["If-Match"] = ifMatch.startsWith("\"") ? ifMatch : `"${ifMatch}"`;
  let answer, text;
  try {
    answer = await fetch(`${PREFIX}${path}`, {
      method, headers, body: body === undefined ? undefined : JSON.stringify(body),
      mode: "same-origin", redirect: "error", cache: "no-store", referrerPolicy: "no-referrer",
      signal: AbortSignal.timeout(withinMs),
    });
    text = await answer.text();
  } catch {
    // Nothing that the platform says of it may be told: it differs by browser, and says no more than that no answer came.
    throw new CallFailed("lost", { isKnown: method === "GET" });
  }
  if (OF_PROXIES.includes(answer.status)) throw new CallFailed("lost", { status: answer.status, isKnown: method === "GET" });
  const requestId = answer.headers.get("x-request-id") || "";
  const parsed = parsedOrNull(text);
  // Whoever answers for the service, such as a network's own page to sign in at, says nothing of what became of a request.
  if (answer.ok && text && parsed === null) throw new CallFailed("lost", { status: answer.status, isKnown: method === "GET" });
  if (answer.ok) {
    const underWay = Number(answer.headers.get("x-changes-under-way")) || 0;
    return { body: parsed, etag: answer.headers.get("etag") || "", status: answer.status, requestId, underWay };
  }
  const kind = KINDS[answer.status] || (answer.status < 500 ? "refused" : "fault");
  const retryAfter = Number.parseFloat(answer.headers.get("retry-after") || "");
  throw new CallFailed(kind, {
    problem: parsed && typeof parsed === "object" && typeof parsed.detail === "string" ? parsed : null,
    status: answer.status, isKnown: method === "GET" || answer.status < 500, requestId, retryAfterS: Number.isNaN(retryAfter) ? null : retryAfter,
  });
}

function parsedOrNull(text) {
  if (!text) return null;
  try {
    return JSON.parse(text);
  } catch {
    return null; // of a proxy, which speaks HTML
  }
}
