// Listens to what changes in the worker, and tells it to the page as the DOM event `va:change` on
// `document`, whose `detail` is {kind, camera, event_id}. The kind `reload` says that changes were
// lost: look at everything anew.
//
// An element with `data-live="verdict feedback"` (kinds) and, if it likes, `data-live-camera` is
// asked anew by htmx: it gets the event `va:refresh`, for `hx-trigger="va:refresh"`.

import { followPanel } from "./home_assistant.js";

const meta = (name) => document.querySelector(`meta[name="${name}"]`).content;
const status = document.getElementById("status");

followPanel(meta("root"));
// On a phone the names of the pages are wider than it is. (`scrollIntoView` would let the tab key
// begin there.)
const named = document.querySelector("nav [aria-current]");
if (named) {
  const row = named.closest("nav");
  row.scrollLeft = named.offsetLeft - row.offsetLeft - (row.clientWidth - named.offsetWidth) / 2;
}

/** Tell people something in the line at the foot of the page; an empty text takes it away. */
export function tell(text) {
  status.textContent = text;
}

/** Ask the worker, with what proves that it is this page that asks. */
export function ask(url, options = {}) {
  const headers = { "X-CSRF-Token": meta("csrf-token"), ...options.headers };
  return fetch(url, { ...options, headers, credentials: "same-origin" });
}

// Elements that are to be asked anew, by the timer that will; a camera in a storm tells a lot.
const waiting = new Map();
const REFRESH_AFTER_MS = 300;

function refreshSoon(element) {
  if (waiting.has(element)) return;
  const timer = setTimeout(() => {
    waiting.delete(element);
    if (element.isConnected) window.htmx?.trigger(element, "va:refresh");
  }, REFRESH_AFTER_MS);
  waiting.set(element, timer);
}

function refresh(change) {
  for (const element of document.querySelectorAll("[data-live]")) {
    const kinds = element.dataset.live.split(" ");
    const camera = element.dataset.liveCamera;
    const isOurs = !camera || !change.camera || camera === change.camera;
    if ((kinds.includes(change.kind) && isOurs) || change.kind === "reload") refreshSoon(element);
  }
}

function hear(change) {
  document.dispatchEvent(new CustomEvent("va:change", { detail: change }));
  refresh(change);
}

let stream = null;
let wasLost = false;

/** Whether the worker wants to know who we are: a session ends some day. */
async function isLoggedOut() {
  try {
    return (await ask(`${meta("root")}/`, { method: "HEAD" })).status === 401;
  } catch {
    return false; // it cannot be reached
  }
}

function listen() {
  stream = new EventSource(meta("changes"));
  stream.addEventListener("open", () => {
    tell("");
    if (wasLost) hear({ kind: "reload", camera: "", event_id: null });
    wasLost = false;
  });
  stream.addEventListener("change", (event) => hear(JSON.parse(event.data)));
  stream.addEventListener("error", () => {
    wasLost = true;
    tell(status.dataset.lost);
    if (stream.readyState === EventSource.CLOSED) tryAgain();
  });
}

/** A browser gives up where it was refused, as by a proxy while the worker starts. */
async function tryAgain() {
  if (await isLoggedOut()) window.location.reload();
  else setTimeout(() => { if (!document.hidden) listen(); }, 5000);
}

// Browsers keep six connections to a host: a page that nobody looks at lets its own go.
const isLive = document.querySelector('meta[name="changes"]') !== null;
document.addEventListener("visibilitychange", () => {
  if (!isLive) return;
  if (document.hidden) {
    stream?.close();
    stream = null;
    wasLost = true;
  } else if (stream === null) {
    listen();
  }
});
if (isLive && !document.hidden) listen();

document.addEventListener("htmx:responseError", (event) => {
  const sentence = event.detail.xhr.getResponseHeader("X-Sentence");
  tell(sentence ? decodeURIComponent(sentence) : status.dataset.failed);
});
document.addEventListener("htmx:sendError", () => tell(status.dataset.failed));
