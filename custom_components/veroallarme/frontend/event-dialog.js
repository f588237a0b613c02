/** The picture of an event, large: what was found, each frame, thumbs, and a zone to ignore. */

import { icon, make, say } from "./dom.js";
import { canIgnore, outcomeLine, thumbs } from "./event-row.js";

const SVG = "http://www.w3.org/2000/svg";

/** Draw zones over a picture; corners are shares of its width and height. */
function overlay(zones) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 1 1");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  for (const zone of zones) {
    const polygon = document.createElementNS(SVG, "polygon");
    polygon.setAttribute("points", zone.points.map((point) => point.join(",")).join(" "));
    svg.append(polygon);
  }
  return svg;
}

/** Return what makes a link to the worker's page: another site gets a tab of its own. */
const pageLink = (address) =>
  address.startsWith("/")
    ? { href: address }
    : { href: address, target: "_blank", rel: "noopener noreferrer" };

export class EventDialog {
  /**
   * @param {object} view  as of `eventRow`, with `zonesFor` and `ignore`.
   * @param {HTMLElement} parent  gets the dialog.
   */
  constructor(view, parent) {
    this.view = view;
    this.element = make("dialog", {
      onclose: () => { this.event = null; },
      onclick: (click) => { if (click.target === this.element) this.element.close(); },
    });
    parent.append(this.element);
    this.event = null;
    this.status = make("p", { role: "status", className: "details" });
  }

  /** Say something here: what the page itself says is hidden behind the dialog. */
  tell(sentence) {
    this.status.textContent = sentence;
  }

  /** Show an event; with `asks` ask at once whether motion there shall be ignored. */
  async show(event, asks = false) {
    this.event = event;
    this.shown = event.picture;
    this.zones = null;
    this.tell("");
    this.draw();
    if (!this.element.open) this.element.showModal();
    if (asks) await this.ask();
  }

  /** Draw again where this event is shown, such as after a thumb. */
  update(event) {
    if (this.event && this.event.event_id === event.event_id) {
      this.event = event;
      this.draw();
    }
  }

  async ask() {
    const event = this.event;
    this.tell("");
    const zones = await this.view.zonesFor(event);
    if (zones && this.event === event) {
      this.zones = zones;
      this.draw();
      this.element.querySelector(".primary").focus();
    }
  }

  draw() {
    const { view, event } = this;
    const { language } = view;
    const moment = new Date(event.motion_at);
    const why = view.reason(event.reason_word);
    const title = `${view.cameraName(event.device_id)}, ${view.clock.day(moment)}, ` +
      view.clock.time(moment);
    this.element.setAttribute("aria-label", title);
    this.element.replaceChildren(
      make("div", { className: "bar" },
        make("div", {}, make("strong", {}, title), outcomeLine(language, event)),
        make("button", {
          type: "button", "aria-label": say(language, "close"), title: say(language, "close"),
          onclick: () => this.element.close(),
        }, icon("close"))),
      make("div", { className: "stage" },
        make("img", { src: this.shown, alt: why }),
        this.zones ? overlay(this.zones) : null),
      ...(this.zones ? this.question() : this.facts(why)));
  }

  facts(why) {
    const { view, event } = this;
    const { language } = view;
    const pictures = [[event.picture, say(language, "annotated")]].concat(
      event.frames.map((frame, index) => [frame, say(language, "picture", { number: index + 1 })]));
    const number = (value) => (value === null ? "–" : value.toFixed(2));
    return [
      make("p", {}, why),
      make("div", { className: "row" }, ...pictures.map(([address, words]) =>
        make("button", {
          type: "button", "aria-pressed": String(this.shown === address),
          onclick: () => { this.shown = address; this.draw(); },
        }, words))),
      make("div", { className: "thumbs row" },
        ...thumbs(language, event, (relevant) => view.answer(event, relevant)),
        canIgnore(event)
          ? make("button", { type: "button", onclick: () => this.ask() }, say(language, "ignore"))
          : null),
      // Beside the thumbs: at the end it would be out of sight where the picture is tall.
      this.status,
      ...(event.page ? [make("p", {}, make("a", pageLink(event.page), say(language, "page")))] : []),
      make("p", { className: "details" }, say(language, "score", {
        score: number(event.score), threshold: number(event.threshold),
      }), ". ", make("span", { lang: "en" }, event.explanation)),
    ];
  }

  question() {
    const { view, event } = this;
    const { language } = view;
    const leave = () => { this.zones = null; this.draw(); };
    return [
      make("p", {}, say(language, "ignore_question")),
      make("div", { className: "row" },
        make("button", {
          type: "button", className: "primary",
          onclick: async () => { if (await view.ignore(event)) leave(); },
        }, say(language, "ignore_yes")),
        make("button", { type: "button", onclick: leave }, say(language, "cancel"))),
      this.status,
    ];
  }
}
