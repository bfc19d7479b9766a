// Asks this service, and no other.

import { readSafetensors } from "./safetensors.js";
import { Weights } from "./weights.js";

const SAFETENSORS = "application/vnd.safetensors";
const KEY = "regard.key"; // kept for as long as the tab is open
const OFFLINE_S = 3;

/** What was answered in place of an answer. */
export class Problem extends Error {
  /**
   * @param {{title: string, detail: string, status: number, type: string,
   *   errors: Array<{loc: Array, message: string}>}} body application/problem+json
   * @param {?number} retryS when to ask again, if that makes sense
   */
  constructor({ title, detail, status = 0, type = "", errors = [] }, retryS = null) {
    super(detail ? `${title}: ${detail}` : title);
    Object.assign(this, { status, type, errors, retryS });
  }
}

export const remembersKey = () => sessionStorage.getItem(KEY) !== null;
export const rememberKey = (key) => sessionStorage.setItem(KEY, key);

/** The models that are served. */
export async function listModels(signal) {
  return (await (await send("v1/models", { signal })).json()).models;
}

/**
 * @param {object} body what /v1/predict is asked
 * @param {number} heads attention heads that a layer of the model has
 * @returns {Promise<object>} its answer; each result's `attention` is `Weights`, if asked for.
 *   `timing` is [[stage, milliseconds]], as the service and then as this page measured it.
 */
export async function predict(body, heads, signal) {
  const startedMs = performance.now();
  const response = await send("v1/predict", {
    method: "POST",
    headers: { "content-type": "application/json", accept: SAFETENSORS },
    body: JSON.stringify(body),
    signal,
  });
  const { metadata, tensors } = await readSafetensors(await response.arrayBuffer());
  const answer = JSON.parse(metadata.answer);
  answer.results.forEach((result, index) => {
    const { kind } = result.attention;
    result.attention = new Weights(
      result.attention,
      tensors[`${index}.${kind === "received" ? kind : "weights"}`],
      heads,
    );
  });
  const stages = (response.headers.get("server-timing") ?? "").matchAll(/(\w+);dur=([\d.]+)/g);
  answer.timing = [...stages].map(([, stage, ms]) => [stage, Number(ms)]);
  answer.timing.push(["round trip", performance.now() - startedMs]);
  return answer;
}

async function send(path, { headers, ...request }) {
  const key = sessionStorage.getItem(KEY);
  const authorization = key ? { authorization: `Bearer ${key}` } : {};
  let response;
  try {
    response = await fetch(path, { ...request, headers: { ...headers, ...authorization } });
  } catch (error) {
    if (request.signal?.aborted) throw error;
    const title = navigator.onLine ? "The service cannot be reached" : "You are offline";
    throw new Problem({ title }, OFFLINE_S);
  }
  if (response.ok) return response;
  const later = [429, 503].includes(response.status);
  const retryS = later ? Number(response.headers.get("retry-after")) || 1 : null;
  const said = await response.json().catch(() => ({ title: `Status ${response.status}` }));
  throw new Problem({ ...said, status: response.status }, retryS);
}

/** Asks one thing at a time: the last one. What was asked before is neither answered nor told. */
export class Asker {
  #controller = new AbortController();

  /**
   * @param {(signal: AbortSignal) => Promise} ask
   * @param {object} hooks
   * @param {(answer) => void} hooks.answered
   * @param {(problem: Problem) => void} hooks.failed called each time; it may be asked again
   * @param {number} hooks.waitMs before it is asked: somebody may be typing
   */
  async ask(ask, { answered, failed, waitMs = 0 }) {
    this.cancel();
    const { signal } = this.#controller;
    await pause(waitMs);
    while (!signal.aborted) {
      try {
        const answer = await ask(signal);
        if (!signal.aborted) answered(answer);
        return;
      } catch (error) {
        if (signal.aborted) return;
        failed(error);
        if (!error.retryS) return;
        await pause(1000 * error.retryS);
      }
    }
  }

  cancel() {
    this.#controller.abort();
    this.#controller = new AbortController();
  }
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
