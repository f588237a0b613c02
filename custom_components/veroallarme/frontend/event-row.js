/** One event of the list: its picture, what became of it and why, and its thumbs. */

import { icon, make, say } from "./dom.js";

const ICONS = { relevant: "shield-alert", irrelevant: "bell-off", unknown: "help-circle" };

/** Return what became of an event, in words. */
export function outcome(language, event) {
  if (event.state === "irrelevant" && event.relevant) return say(language, "would");
  const words = say(language, event.state);
  if (event.state !== "unknown" || event.relevant) return words;
  return `${words}, ${say(language, "no_alarm").toLowerCase()}`;
}

/** Return the line with an event's outcome. */
export const outcomeLine = (language, event) =>
  make("div", { className: `outcome ${event.state}` }, icon(ICONS[event.state]),
    make("span", {}, outcome(language, event)));

/**
 * Return the two thumbs of an event; the one that was given is pressed.
 *
 * @param {Function} answer  called with true, false, or null where the thumb is taken back.
 */
export function thumbs(language, event, answer) {
  const thumb = (relevant, name, words) =>
    make("button", {
      type: "button",
      title: say(language, words),
      "aria-label": say(language, words),
      "aria-pressed": String(event.feedback === relevant),
      onclick: () => answer(event.feedback === relevant ? null : relevant),
    }, icon(event.feedback === relevant ? name : `${name}-outline`));
  return [thumb(true, "thumb-up", "was_relevant"), thumb(false, "thumb-down", "was_nuisance")];
}

/**
 * Return the row of an event.
 *
 * @param {object} view  language, words of reasons, times, names of cameras and what can be done.
 */
export function eventRow(view, event) {
  const { language } = view;
  const moment = new Date(event.motion_at);
  const why = view.reason(event.reason_word);
  const when = `${view.clock.time(moment)} · ${view.cameraName(event.device_id)}`;
  const image = event.thumbnail
    ? make("img", { src: event.thumbnail, alt: "", loading: "lazy", decoding: "async" })
    : icon("image-off-outline");
  const label = event.thumbnail
    ? say(language, "open", { what: `${when}, ${outcome(language, event)}, ${why}` })
    : say(language, "no_picture");
  return make("li", {},
    make("button", {
      type: "button", className: "thumbnail", "aria-label": label, title: event.explanation,
      disabled: !event.thumbnail, onclick: () => view.open(event),
    }, image),
    make("div", { className: "about" },
      outcomeLine(language, event),
      make("div", { className: "why" }, why),
      make("div", { className: "when" }, when),
      make("div", { className: "thumbs" },
        ...thumbs(language, event, (relevant) => view.answer(event, relevant)),
        canIgnore(event)
          ? make("button", { type: "button", onclick: () => view.open(event, true) },
            say(language, "ignore"))
          : null)));
}

/** Whether an alarm was called false: then motion may be ignored where it was. */
export const canIgnore = (event) =>
  event.feedback === false && event.state === "relevant" && event.thumbnail !== null;
