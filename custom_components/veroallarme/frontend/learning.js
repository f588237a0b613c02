/** Which cameras still learn, and how long that takes at the pace of the last week. */

import { make, say } from "./dom.js";

/** Cameras that are told one by one; more are a line that opens. */
const LINES = 2;

function progress(language, learning) {
  const needs = say(language, "needs", learning);
  const { days } = learning;
  if (days === null) return needs;
  return `${needs}; ${days === 1 ? say(language, "one_day") : say(language, "days", { days })}`;
}

/** Draw them anew into an element; what the user has opened stays open. */
export function drawLearning(element, language, cameras) {
  const lines = cameras.filter(({ learning }) => learning).map(({ name, learning }) => make("p", {},
    say(language, "learning", { camera: name, progress: progress(language, learning) })));
  if (lines.length <= LINES) {
    element.replaceChildren(...lines);
    return;
  }
  const open = element.querySelector("details")?.open || false;
  const summary = make("summary", {}, say(language, "learning_many", { count: lines.length }));
  element.replaceChildren(make("details", { open }, summary, ...lines));
}
