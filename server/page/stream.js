/** The server: its models, and a chat completion as a stream of choices. Every failure becomes a Failure. */

/** `status`: of the response, 0 where there was none. `field`: what the server names as wrong. */
export class Failure extends Error {
  constructor(message, { status = 0, field = null } = {}) {
    super(message);
    this.status = status;
    this.field = field;
  }
}

const UNREACHABLE = "The server does not answer. Is it running, and is this page still its own?";
const BROKEN_OFF = "The stream broke off before the answer was complete.";

/** The base URL of the API that this page belongs to. */
export const BASE = new URL("v1", document.baseURI).href;

function headers(key) {
  return { "Content-Type": "application/json", ...(key ? { Authorization: `Bearer ${key}` } : {}) };
}

async function request(path, options) {
  let response;
  try {
    response = await fetch(`${BASE}/${path}`, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure(UNREACHABLE);
  }
  if (!response.ok) throw await failureOf(response);
  return response;
}

async function failureOf(response) {
  const { status } = response;
  const said = await response.json().catch(() => null);
  const error = said?.error ?? {};
  const message = typeof error === "string" ? error : error.message;
  const after = response.headers.get("Retry-After");
  const words = {
    401: "The server wants an API key, and this one is not it.",
    404: `Not found: ${message ?? response.url}`,
    429: `${message ?? "Too many requests."}${after ? ` Try again in ${after} s.` : ""}`,
  };
  return new Failure(words[status] ?? message ?? `The server answered ${status} ${response.statusText}.`, {
    status,
    field: error.param ?? null,
  });
}

/** The models that are served. */
export async function models(key) {
  const response = await request("models", { headers: headers(key) });
  return (await response.json()).data;
}

/** Ends the thinking of a running request; its stream goes on with the answer. */
export async function endThinking(id, key) {
  const body = JSON.stringify({ id, action: "end_thinking" });
  await request("chat/completions/control", { method: "POST", headers: headers(key), body });
}

/** The first choice of each chunk, and the request's id. Ends by itself after the last one; aborting raises AbortError. */
export async function* chat(body, key, signal) {
  const post = { method: "POST", headers: headers(key), body: JSON.stringify(body), signal };
  const response = await request("chat/completions", post);
  for await (const data of events(response.body)) {
    if (data === "[DONE]") return;
    const event = JSON.parse(data);
    if (event.error) throw new Failure(event.error.message ?? "The engine failed.");
    if (event.choices?.length) yield { id: event.id, ...event.choices[0] };
  }
  throw new Failure(BROKEN_OFF);
}

/** The data of each server-sent event. */
async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    let piece;
    try {
      piece = await reader.read();
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Failure(BROKEN_OFF);
    }
    if (piece.done) return;
    const lines = (buffer + piece.value).split("\n");
    buffer = lines.pop();
    for (const line of lines) {
      if (line.startsWith("data: ")) yield line.slice(6).trimEnd();
    }
  }
}
