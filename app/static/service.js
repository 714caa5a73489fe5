// The one place where the page talks to the service, and where text becomes HTML.

const TIMEOUT_MILLISECONDS = 20_000;

// Browsers with Trusted Types let nothing else make HTML of text: see the policy in app/security.py.
const policy = globalThis.trustedTypes?.createPolicy("from-the-service", { createHTML: (html) => html });

/** Why nothing came, in words for people. `status` is that of the response, undefined if there was none. */
export class Failure extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }

  /** Whether the same may succeed later. */
  get mayPass() {
    return this.status === undefined || this.status === 429 || this.status >= 500;
  }
}

/** POST `fields` (pairs of name and value) to `path`; the response. Rejects with a Failure. */
export async function post(path, fields, signal = AbortSignal.timeout(TIMEOUT_MILLISECONDS)) {
  const body = new URLSearchParams(fields);
  const response = await fetch(path, { method: "POST", body, signal }).catch((error) => {
    throw new Failure(unreachable(error));
  });
  if (!response.ok) throw await refusal(response);
  return response;
}

/** The turns that `path` answers with, as elements. Rejects with a Failure. */
export async function fetchTurns(path, fields) {
  const response = await post(path, fields);
  return [...(await parsed(response)).querySelectorAll(".turn")];
}

async function parsed(response) {
  const html = await response.text().catch((error) => {
    throw new Failure(unreachable(error));
  });
  return new DOMParser().parseFromString(policy?.createHTML(html) ?? html, "text/html");
}

function unreachable(error) {
  if (error.name === "TimeoutError") return "The service took too long.";
  return navigator.onLine ? "The service cannot be reached." : "You are offline.";
}

async function refusal(response) {
  const told = (await parsed(response)).querySelector(".detail")?.textContent.trim();
  const seconds = Number(response.headers.get("Retry-After"));
  const when = seconds > 0 ? ` Try again in ${seconds} ${seconds === 1 ? "second" : "seconds"}.` : "";
  const words = told ?? `The service answered with status ${response.status}.`;
  return new Failure(words + when, response.status);
}
