// The gallery of events: an endless list, what comes in while one looks, and the place where one
// was, for who comes back from an event.

import { focusCard } from "./events.js";
import { ask } from "./live.js";

const AHEAD_PX = 1500; // before the end of the list at which its next page is fetched
const MOST_PAGES = 100; // that are fetched again for who comes back
const KEEP_MS = 500; // between two notes of the place while one scrolls

// --- an endless list -----------------------------------------------------------------------

const ends = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) if (entry.isIntersecting) continueList(entry.target);
  },
  { rootMargin: `${AHEAD_PX}px 0px` },
);

const coming = new WeakMap(); // of the end of a list: whether its next page comes

/** Fetch the next page of the list, once; return whether it came. */
function continueList(end) {
  if (!coming.has(end)) coming.set(end, fetchPage(end));
  return coming.get(end);
}

async function fetchPage(end) {
  ends.unobserve(end);
  try {
    const response = await ask(end.dataset.more, { headers: { Accept: "text/html" } });
    if (!response.ok) throw new Error(response.statusText);
    end.insertAdjacentHTML("afterend", await response.text());
    const isFocused = end.contains(document.activeElement);
    const next = end.nextElementSibling;
    end.remove();
    if (isFocused) focusCard(next?.querySelector("li.event"));
  } catch {
    coming.delete(end); // its link is still there
    return false;
  }
  watchEnd();
  return true;
}

function watchEnd() {
  for (const end of document.querySelectorAll("[data-more]")) ends.observe(end);
}

document.addEventListener("click", (event) => {
  const end = event.target.closest("[data-more]");
  if (!end) return;
  event.preventDefault();
  continueList(end);
});
document.addEventListener("htmx:afterSettle", watchEnd);

// --- what comes in while one looks ---------------------------------------------------------

let isAsking = false;
let isWanted = false;

async function fetchNewer() {
  const gallery = document.querySelector("[data-gallery]");
  if (!gallery) return;
  isWanted = true;
  if (isAsking) return;
  isAsking = true;
  while (isWanted) {
    isWanted = false;
    const first = gallery.querySelector("li.event");
    const url = new URL(gallery.dataset.newer, location.href);
    if (first) url.searchParams.set("after", first.dataset.position);
    const response = await ask(url, { headers: { Accept: "text/html" } }).catch(() => null);
    if (!response?.ok || !gallery.isConnected) continue;
    const html = await response.text();
    const count = Number(response.headers.get("X-Events"));
    // Nothing moves away under a pointer, or under who reads further down.
    const isInUse = gallery.contains(document.activeElement) || gallery.matches(":hover");
    const isAtTop = scrollY < 200 && !isInUse;
    if (count) (isAtTop ? putOnTop : offer)(gallery, html, count);
  }
  isAsking = false;
}

function putOnTop(gallery, html) {
  gallery.querySelector(".fresh").hidden = true;
  gallery.querySelector(".nothing")?.remove();
  const days = gallery.querySelector(".days");
  const part = document.createElement("template");
  part.innerHTML = html;
  const oldest = part.content.querySelector(".day:last-of-type");
  const begun = days.querySelector(".day");
  if (oldest && begun && oldest.dataset.day === begun.dataset.day) {
    begun.querySelector("ol").prepend(...oldest.querySelectorAll("li.event"));
    oldest.remove();
  }
  days.prepend(part.content);
}

function offer(gallery, html, count) {
  const line = gallery.querySelector(".fresh");
  const button = line.querySelector("button");
  button.textContent = button.dataset.words.replace("#", count);
  line.hidden = false;
  button.onclick = () => {
    putOnTop(gallery, html);
    scrollTo({ top: 0 });
    focusCard(gallery.querySelector("li.event"));
  };
}

document.addEventListener("va:change", (event) => {
  if (["verdict", "reload"].includes(event.detail.kind)) fetchNewer();
});

// --- the place where one was ---------------------------------------------------------------

/** Note which card is where, with this entry of the history. */
function keepPlace(card, isFocused = false) {
  if (!card) return;
  const place = { event: card.dataset.event, top: card.getBoundingClientRect().top, isFocused };
  history.replaceState({ ...history.state, place }, "");
}

/** The card that is at the top of the screen, below the bar. */
function topCard() {
  const cards = document.querySelectorAll("[data-gallery] li.event");
  return [...cards].find((card) => card.getBoundingClientRect().bottom > 80);
}

let keeping = 0;
addEventListener("scroll", () => {
  clearTimeout(keeping);
  keeping = setTimeout(() => keepPlace(topCard()), KEEP_MS);
});
document.addEventListener(
  "click",
  (event) => {
    if (!event.target.closest?.("[data-gallery] li.event a")) return;
    clearTimeout(keeping);
    keepPlace(event.target.closest("li.event"), true);
  },
  { capture: true },
);

/** Fetch the pages that were there, and go to the card that was looked at. */
async function goBack(place) {
  history.scrollRestoration = "manual";
  const find = () => document.querySelector(`[data-gallery] [data-event="${CSS.escape(place.event)}"]`);
  for (let pages = 0; !find() && pages < MOST_PAGES; pages += 1) {
    const end = document.querySelector("[data-more]");
    if (!end || !(await continueList(end))) return;
  }
  const card = find();
  if (!card) return;
  if (place.isFocused) focusCard(card, { preventScroll: true });
  // What was not looked at yet has a height that was guessed: it is known once it is shown.
  for (let turn = 0; turn < 5; turn += 1) {
    const by = card.getBoundingClientRect().top - place.top;
    if (Math.abs(by) < 2) break;
    scrollBy({ top: by, behavior: "instant" });
    await new Promise((resolve) => { requestAnimationFrame(() => setTimeout(resolve)); });
  }
}

if (history.state?.place) await goBack(history.state.place);
watchEnd();
