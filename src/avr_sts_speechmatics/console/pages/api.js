// Asks the API. Everything that the pages show comes from here.

// The API wants a token first.
export class TokenNeeded extends Error {}

let csrf = null;

// Returns the answer to a request below /api/v1, from JSON; throws an Error with the API's reason.
export async function ask(path, { method = "GET", body } = {}) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET") {
    csrf ??= (await ask("/session")).csrf ?? "";
    if (csrf) headers["X-CSRF-Token"] = csrf;
  }
  let answer;
  try {
    answer = await fetch(`/api/v1${path}`, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Error("The service does not answer. Is it running?");
  }
  const told = answer.status === 204 ? null : await answer.json().catch(() => ({}));
  if (answer.status === 401) throw new TokenNeeded(told.error || "A token is needed.");
  if (!answer.ok) throw new Error(told.error || `The service answered ${answer.status}.`);
  return told;
}

// Signs in with a token; throws an Error with the API's reason.
export async function signIn(token) {
  const answer = await fetch("/api/v1/session", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ token }),
  });
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(told.error || `The service answered ${answer.status}.`);
  csrf = told.csrf;
}

// A path with those of `parameters` that have a value.
export function withQuery(path, parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== "" && value != null);
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}
