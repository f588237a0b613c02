// Cards of events: thumbs by click, swipe and key, undo, frames as a flick animation. Without
// scripts the cards are links and forms.

import { ask, tell } from "./live.js";

const SWIPE_PX = 80; // from which a swipe is an answer
const HOLD_MS = 350; // from which a touch is held, and no tap
const FLICK_MS = 450; // that every frame is shown
const REDUCED = matchMedia("(prefers-reduced-motion: reduce)");

const cardOf = (element) => element?.closest?.("[data-event]");
const isTyping = (element) => element.closest("input, select, textarea, dialog, summary") !== null;

// --- thumbs --------------------------------------------------------------------------------

const given = []; // what may be taken back, the latest last

function show(card, feedback) {
  card.dataset.feedback = feedback;
  for (const button of card.querySelectorAll("[data-thumbs] button")) {
    button.setAttribute("aria-pressed", String(button.value === feedback));
  }
}

function say(key) {
  const line = document.querySelector("[data-undo]");
  if (!line) return;
  line.querySelector("span").textContent = line.dataset[key];
  line.querySelector("button").hidden = given.length === 0;
  line.classList.add("shown");
  clearTimeout(say.timer);
  say.timer = setTimeout(() => {
    // Nobody loses the button while using it.
    if (!line.contains(document.activeElement)) line.classList.remove("shown");
  }, 12000);
}

async function send(path, feedback) {
  const response = await ask(`${path}/feedback`, {
    method: "POST",
    headers: { Accept: "application/json" },
    body: new URLSearchParams({ relevant: feedback }),
  });
  if (!response.ok) {
    const sentence = response.headers.get("X-Sentence");
    throw new Error(sentence ? decodeURIComponent(sentence) : "");
  }
}

let sending = Promise.resolve(); // one answer after the other, in the order in which they came

/** Give a thumb ("true", "false"), or take it back (""). */
function give(card, feedback, { isUndo = false } = {}) {
  const answer = { event: card.dataset.event, before: card.dataset.feedback, card };
  show(card, feedback);
  if (!isUndo) given.push(answer);
  if (given.length > 50) given.shift();
  const nuisance = card.querySelector("[data-thumbs][data-person]") ? "person" : "nuisance";
  say(isUndo ? "back" : { true: "relevant", false: nuisance, "": "back" }[feedback]);
  sending = sending.then(async () => {
    try {
      await send(card.dataset.path, feedback);
    } catch (error) {
      show(card, answer.before);
      if (!isUndo) given.splice(given.indexOf(answer), 1);
      document.querySelector("[data-undo]").classList.remove("shown");
      tell(error.message || document.querySelector("[data-undo]").dataset.failed);
    }
  });
}

function undo() {
  const last = given.pop();
  if (!last) return;
  const onPage = document.querySelector(`[data-event="${last.event}"]`);
  give(onPage ?? last.card, last.before, { isUndo: true });
  focusCard(onPage);
}

document.addEventListener("submit", (event) => {
  const form = event.target.closest("[data-thumbs]");
  if (!form) return;
  event.preventDefault();
  const card = cardOf(form);
  const value = event.submitter.value;
  give(card, card.dataset.feedback === value ? "" : value);
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-undo] button")) undo();
});

// --- keys ----------------------------------------------------------------------------------

export function focusCard(card, options = {}) {
  card?.querySelector(".picture, h1, button")?.focus(options);
}

/** The card in a direction: beside it in the list, or the nearest in the row above or below. */
function neighbour(card, key) {
  const cards = [...document.querySelectorAll("li.event")];
  const at = cards.indexOf(card);
  if (key === "ArrowLeft") return cards[at - 1];
  if (key === "ArrowRight") return cards[at + 1];
  const from = card.getBoundingClientRect();
  const step = key === "ArrowDown" ? 1 : -1;
  for (let next = at + step; cards[next]; next += step) {
    const to = cards[next].getBoundingClientRect();
    const isOtherRow = Math.abs(to.top - from.top) > from.height / 2;
    if (isOtherRow && Math.abs(to.left - from.left) < from.width / 2) return cards[next];
  }
  return undefined;
}

/** The first card of the list that is not above the screen. */
const cardInSight = () =>
  [...document.querySelectorAll("[data-gallery] li.event")].find(
    (card) => card.getBoundingClientRect().top > 0,
  );

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  const card = cardOf(event.target);
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (key === "z" && given.length) {
    event.preventDefault();
    undo();
    return;
  }
  if (!card) {
    // Who has not chosen an event begins with one in sight; up and down scroll the page.
    const isNowhere = event.target === document.body || event.target.matches("main");
    const first = isNowhere && /^Arrow(Left|Right)$/.test(key) ? cardInSight() : undefined;
    if (!first) return;
    event.preventDefault();
    focusCard(first);
    return;
  }
  if (key === "r" || key === "f") {
    event.preventDefault();
    give(card, key === "r" ? "true" : "false");
  } else if (key === "p") {
    const picture = card.querySelector("[data-frames].picture");
    if (picture) flickOnce(picture);
  } else if (key.startsWith("Arrow") && card.matches("li.event")) {
    const next = neighbour(card, key);
    if (!next) return;
    event.preventDefault();
    focusCard(next);
  }
});

// --- frames as a flick animation -----------------------------------------------------------

const frames = new WeakMap(); // of a picture: the frames that it has, fetched once

async function framesOf(picture) {
  if (!frames.has(picture)) {
    const load = async () => {
      const found = [];
      for (let number = 0; number < Number(picture.dataset.count); number += 1) {
        const image = new Image();
        image.src = `${picture.dataset.frames}${number}?width=360`;
        try {
          await image.decode();
        } catch {
          break;
        }
        found.push(image.src);
      }
      return found;
    };
    frames.set(picture, load());
  }
  return frames.get(picture);
}

let flicking = null;

async function flick(picture, rounds = Infinity) {
  stopFlick();
  const turn = { picture, image: picture.querySelector("img"), timer: 0 };
  turn.still = turn.image.src;
  flicking = turn;
  const found = await framesOf(picture);
  if (flicking !== turn || found.length < 2) return;
  let shown = 0;
  const next = () => {
    if (shown >= rounds * found.length) {
      stopFlick();
      return;
    }
    turn.image.src = found[shown % found.length];
    shown += 1;
    turn.timer = setTimeout(next, FLICK_MS);
  };
  next();
}

function stopFlick() {
  if (!flicking) return;
  clearTimeout(flicking.timer);
  flicking.image.src = flicking.still;
  flicking = null;
}

const flickOnce = (picture) => flick(picture, 2);

document.addEventListener("pointerover", (event) => {
  const picture = event.target.closest?.(".event .picture[data-frames]");
  if (event.pointerType !== "mouse" || !picture || REDUCED.matches) return;
  if (flicking?.picture !== picture) flick(picture);
});
document.addEventListener("pointerout", (event) => {
  const picture = event.target.closest?.(".event .picture[data-frames]");
  if (picture && !picture.contains(event.relatedTarget)) stopFlick();
});

// --- swipe and hold ------------------------------------------------------------------------

let touch = null;

function endTouch() {
  if (!touch) return;
  clearTimeout(touch.timer);
  touch.card.style.transform = "";
  touch.card.classList.remove("swiped-up", "swiped-down");
  if (touch.isHeld) stopFlick();
  touch = null;
}

document.addEventListener("pointerdown", (event) => {
  const card = event.target.closest?.("li.event");
  if (!card || event.pointerType === "mouse" || event.target.closest("button")) return;
  endTouch();
  touch = { card, id: event.pointerId, x: event.clientX, y: event.clientY, by: 0, isHeld: false };
  const picture = event.target.closest(".picture[data-frames]");
  const mine = touch;
  touch.timer = setTimeout(() => {
    if (touch !== mine || !picture) return;
    touch.isHeld = true;
    flick(picture);
  }, HOLD_MS);
});

document.addEventListener("pointermove", (event) => {
  if (!touch || event.pointerId !== touch.id || touch.isHeld) return;
  // A shelf is swiped through, and a page too: only a list answers to swipes.
  if (touch.card.closest(".shelf")) {
    if (Math.abs(event.clientX - touch.x) > 10) clearTimeout(touch.timer);
    return;
  }
  touch.by = event.clientX - touch.x;
  if (Math.abs(touch.by) < 10) return;
  clearTimeout(touch.timer);
  touch.card.style.transform = `translateX(${touch.by}px)`;
  touch.card.classList.toggle("swiped-up", touch.by > SWIPE_PX);
  touch.card.classList.toggle("swiped-down", touch.by < -SWIPE_PX);
});

document.addEventListener("pointerup", (event) => {
  if (!touch || event.pointerId !== touch.id) return;
  const { card, by, isHeld } = touch;
  endTouch();
  const isAnswer = Math.abs(by) > SWIPE_PX;
  if (isAnswer) give(card, by > 0 ? "true" : "false");
  // What was held or swiped is no tap: the page stays.
  if (isHeld || Math.abs(by) >= 10) {
    const stop = (click) => click.preventDefault();
    card.addEventListener("click", stop, { capture: true, once: true });
    setTimeout(() => card.removeEventListener("click", stop, { capture: true }), 300);
  }
});
document.addEventListener("pointercancel", endTouch);
document.addEventListener("contextmenu", (event) => {
  if (touch?.isHeld) event.preventDefault();
});

// --- pictures that are gone ----------------------------------------------------------------

document.addEventListener(
  "error",
  (event) => {
    const picture = event.target.matches?.("img") && event.target.closest(".picture, .alike a");
    if (picture) picture.classList.add("gone");
  },
  true,
);

// --- what changes while one looks ---------------------------------------------------------

// Nothing is exchanged under somebody's hands: it waits until the focus has left it.
document.addEventListener("htmx:beforeRequest", (event) => {
  const part = event.target;
  if (!part.matches("[data-live]") || !part.contains(document.activeElement)) return;
  event.preventDefault();
  part.dataset.waits = "";
});
document.addEventListener("focusout", (event) => {
  const part = event.target.closest?.("[data-waits]");
  if (!part || part.contains(event.relatedTarget)) return;
  delete part.dataset.waits;
  // Once the focus is where it goes.
  setTimeout(() => window.htmx.trigger(part, "va:refresh"));
});

document.addEventListener("va:change", (event) => {
  const { kind, event_id: eventId } = event.detail;
  if (kind === "feedback" && eventId) renewCard(eventId);
});

/** Take over a thumb that was given elsewhere. */
async function renewCard(eventId) {
  const card = document.querySelector(`[data-event="${CSS.escape(eventId)}"]`);
  if (!card) return;
  const response = await ask(`${card.dataset.path}/card`).catch(() => null);
  if (!response?.ok) return;
  const part = document.createElement("template");
  part.innerHTML = await response.text();
  show(card, part.content.querySelector("[data-event]").dataset.feedback);
}
