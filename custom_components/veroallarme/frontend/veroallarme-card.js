/** The card of VeroAllarme: what moved, what was suppressed, and why; with thumbs in place. */

import { clock, make, say } from "./dom.js";
import { EventDialog } from "./event-dialog.js";
import { eventRow } from "./event-row.js";
import { drawLearning } from "./learning.js";
import styles from "./styles.js";

/** What the card can be narrowed to, and its words: of many events, not of one. */
const SHOW = {
  all: "all", relevant: "show_relevant", irrelevant: "show_suppressed", unknown: "show_unknown",
};
const WHEN = ["any_time", "today", "yesterday", "week"];
const DEFAULTS = { title: "VeroAllarme", show: "all", limit: 10, cameras: [] };
const DAY_MS = 86400000;

class VeroAllarmeCard extends HTMLElement {
  static getStubConfig() {
    return {};
  }

  static getConfigForm() {
    const language = document.querySelector("home-assistant")?.hass?.language;
    const options = Object.entries(SHOW)
      .map(([value, words]) => ({ value, label: say(language, words) }));
    return {
      schema: [
        { name: "title", selector: { text: {} } },
        { name: "cameras", selector: {
          device: { multiple: true, filter: { integration: "veroallarme" },
            entity: { domain: "image" } } } },
        { name: "show", selector: { select: { mode: "dropdown", options } } },
        { name: "limit", selector: { number: { min: 3, max: 50, mode: "box" } } },
      ],
      computeLabel: (field) => say(language, field.name),
    };
  }

  constructor() {
    super();
    this.attachShadow({ mode: "open" });
    this.events = [];
    this.names = {};
    this.asked = 0;
  }

  setConfig(config) {
    if (config.show !== undefined && !Object.keys(SHOW).includes(config.show)) {
      throw new Error(`show: ${config.show}: choose one of ${Object.keys(SHOW).join(", ")}`);
    }
    if (config.cameras !== undefined && !Array.isArray(config.cameras)) {
      throw new Error("cameras: give a list of devices");
    }
    this.config = { ...DEFAULTS, ...config };
    this.show = this.config.show;
    this.when = "any_time";
    this.camera = "";
    this.limit = Math.min(50, Math.max(1, Math.round(this.config.limit) || DEFAULTS.limit));
    if (this.hassObject) this.begin();
  }

  set hass(hass) {
    const before = this.hassObject;
    this.hassObject = hass;
    if (!this.config) return;
    if (!before || before.language !== hass.language) this.begin();
    else if (this.decisions(before) !== this.decisions(hass)) this.load();
  }

  getCardSize() {
    return 8;
  }

  getGridOptions() {
    return { columns: 12, rows: 8, min_columns: 6, min_rows: 4 };
  }

  connectedCallback() {
    this.onLocation = () => this.openWanted();
    window.addEventListener("location-changed", this.onLocation);
    if (this.hassObject && this.config) this.load();
  }

  disconnectedCallback() {
    window.removeEventListener("location-changed", this.onLocation);
  }

  /** Open the event that the address names, as a tap on a notification does. */
  async openWanted() {
    const wanted = new URLSearchParams(location.search).get("veroallarme");
    if (!wanted || wanted === this.opened || !this.dialog) return;
    this.opened = wanted;
    let event = this.events.find(({ event_id }) => event_id === wanted);
    if (!event) {
      const request = { type: "veroallarme/events", event_id: wanted, limit: 1 };
      event = (await this.hassObject.callWS(request)).events[0];
    }
    if (event) this.open(event);
  }

  /** Return what changes whenever a camera has decided, or a worker came or went. */
  decisions(hass) {
    const ours = Object.values(hass.entities).filter(({ platform }) => platform === "veroallarme");
    const states = (key) => ours
      .filter((entity) => entity.translation_key === key)
      .map((entity) => hass.states[entity.entity_id]?.state);
    // Decisions stay while no worker is there; the alarms alone tell of it.
    const away = states("relevant_motion").map((state) => state === "unavailable");
    return [...states("decision"), ...away].join();
  }

  /** Draw the frame of the card, then ask for events. */
  async begin() {
    const hass = this.hassObject;
    const language = hass.language;
    this.language = language;
    this.clock = clock(hass);
    this.reason = (word) => word;
    this.status = make("div", { role: "status", className: "note" }, say(language, "loading"));
    this.summary = make("p", { className: "summary" });
    this.learning = make("div", { className: "learning" });
    this.faults = make("div", {});
    this.list = make("div", {});
    this.more = make("button", {
      type: "button", className: "more", hidden: true, onclick: () => this.load(true),
    }, say(language, "more"));
    this.cameraSelect = make("select", {
      "aria-label": say(language, "camera"),
      onchange: () => { this.camera = this.cameraSelect.value; this.load(); },
    });
    const when = make("select", {
      "aria-label": say(language, "when"),
      onchange: () => { this.when = when.value; this.load(); },
    }, ...WHEN.map((value) => make("option", { value }, say(language, value))));
    this.chips = Object.entries(SHOW).map(([value, words]) => make("button", {
      type: "button", "aria-pressed": String(this.show === value), value,
      onclick: () => {
        this.show = value;
        for (const chip of this.chips) chip.setAttribute("aria-pressed", chip.value === value);
        this.load();
      },
    }, say(language, words)));
    const card = make("ha-card", {},
      make("div", { className: "head" },
        this.config.title ? make("h2", {}, this.config.title) : null, this.summary,
        this.learning),
      make("div", { className: "filters" },
        make("div", { className: "chips", role: "group", "aria-label": say(language, "filter") },
          ...this.chips),
        when, this.cameraSelect),
      make("div", { className: "body", tabIndex: 0, role: "region",
        "aria-label": this.config.title || "VeroAllarme" },
      this.faults, this.list, this.status, this.more));
    this.shadowRoot.replaceChildren(make("style", {}, styles), card);
    this.dialog = new EventDialog(this, this.shadowRoot);
    const localize = await hass.loadBackendTranslation("entity", "veroallarme");
    this.reason = (word) =>
      localize(`component.veroallarme.entity.sensor.reason.state.${word}`) || word;
    await this.load();
    await this.openWanted();
  }

  /** Return what is asked for, by the filters. */
  request(older) {
    const request = { type: "veroallarme/events", limit: this.limit };
    if (this.camera) request.device_ids = [this.camera];
    else if (this.config.cameras.length) request.device_ids = this.config.cameras;
    if (this.show !== "all") request.states = [this.show];
    if (this.when === "today") request.since = this.clock.midnight(0).toISOString();
    if (this.when === "yesterday") {
      request.since = this.clock.midnight(1).toISOString();
      request.until = this.clock.midnight(0).toISOString();
    }
    if (this.when === "week") request.since = this.clock.midnight(6).toISOString();
    if (older && this.events.length) request.until = this.events.at(-1).motion_at;
    if (!older) request.count_since = new Date(Date.now() - 7 * DAY_MS).toISOString();
    return request;
  }

  /** Ask for events; with `older` for those before the last one that is shown. */
  async load(older = false) {
    if (!this.list) return;
    const number = ++this.asked;
    let answer;
    try {
      answer = await this.hassObject.callWS(this.request(older));
    } catch (error) {
      if (number === this.asked) {
        this.status.textContent = say(this.language, "failed", { error: error.message });
      }
      return;
    }
    if (number !== this.asked) return; // another filter was chosen meanwhile
    this.events = older ? this.events.concat(answer.events) : answer.events;
    this.names = Object.fromEntries(answer.cameras.map(({ device_id, name }) => [device_id, name]));
    this.more.hidden = !answer.more;
    this.drawFaults(answer.faults);
    if (!older) this.sum(answer.counts, answer.faults);
    drawLearning(this.learning, this.language,
      answer.cameras.filter(({ device_id }) => this.isShown(device_id)));
    this.drawCameras();
    this.drawList();
  }

  /** Say what the last week was like; nothing where those that would know gave no answer. */
  sum(counts, faults) {
    const key = counts.events ? "summary" : faults.length ? null : "summary_none";
    this.summary.textContent = key ? say(this.language, key, counts) : "";
  }

  /** Say what is wrong, of cameras with the same trouble in one line. */
  drawFaults(faults) {
    this.failed = faults.length > 0;
    const lines = {};
    for (const { camera, kind, error } of faults) {
      const line = lines[`${kind} ${error}`] ??= { kind, error, cameras: [] };
      line.cameras.push(camera);
    }
    this.faults.replaceChildren(...Object.values(lines).map(({ kind, error, cameras }) =>
      make("p", { className: "fault" },
        say(this.language, kind, { camera: cameras.join(", "), error }))));
  }

  /** Whether the card is about a camera. */
  isShown(device) {
    return !this.config.cameras.length || this.config.cameras.includes(device);
  }

  drawCameras() {
    const offered = Object.entries(this.names).filter(([device]) => this.isShown(device));
    this.cameraSelect.hidden = offered.length < 2;
    this.cameraSelect.replaceChildren(
      make("option", { value: "" }, say(this.language, "all_cameras")),
      ...offered.map(([value, name]) =>
        make("option", { value, selected: value === this.camera }, name)));
  }

  drawList() {
    const parts = [];
    let day = null;
    for (const event of this.events) {
      const moment = new Date(event.motion_at);
      if (this.clock.dayKey(moment) !== day) {
        day = this.clock.dayKey(moment);
        parts.push(make("h3", {}, this.clock.day(moment)), make("ul", {}));
      }
      parts.at(-1).append(eventRow(this, event));
    }
    this.list.replaceChildren(...parts);
    const isEmpty = !this.events.length && !this.failed;
    this.status.textContent = isEmpty ? say(this.language, "nothing") : "";
  }

  // --- what rows and the dialog ask for ---------------------------------------------------

  cameraName(device) {
    return this.names[device] || "";
  }

  open(event, asks = false) {
    return this.dialog.show(event, asks);
  }

  /** Give a thumb, or take it back by null. */
  async answer(event, relevant) {
    const feedback = relevant === null ? "taken_back" : relevant ? "relevant" : "nuisance";
    if (!(await this.act("give_feedback", event, { feedback }))) return;
    event.feedback = relevant;
    const focused = this.shadowRoot.activeElement?.getAttribute("aria-label");
    const row = this.events.indexOf(event);
    this.drawList();
    this.dialog.update(event);
    this.refocus(row, focused);
    this.tell(relevant === null ? "taken_back" : "thanks");
  }

  /** Keep the focus on the thumb that was pressed, whose row was drawn again. */
  refocus(row, label) {
    const within = this.dialog.event ? this.dialog.element : this.list.querySelectorAll("li")[row];
    within?.querySelector(`[aria-label="${label}"]`)?.focus();
  }

  /** Return the zones that would be ignored; the frontend itself sets `preview` on cards. */
  async zonesFor(event) {
    const answer = await this.act("ignore_motion_here", event, { preview: true }, true);
    return answer && answer.response.zones;
  }

  async ignore(event) {
    const done = await this.act("ignore_motion_here", event, {});
    if (done) this.tell("ignored");
    return done;
  }

  /** Call an action of the integration; say what went wrong, and return whether it went well. */
  async act(action, event, data, returns = false) {
    const about = { device_id: event.device_id, event_id: event.event_id };
    try {
      const answer = await this.hassObject.callService(
        "veroallarme", action, { ...about, ...data }, undefined, false, returns);
      return answer || true;
    } catch (error) {
      this.tell("failed", { error: error.message });
      return null;
    }
  }

  tell(key, values) {
    const message = say(this.language, key, values);
    if (this.dialog.event) {
      this.dialog.tell(message);
      return;
    }
    this.dispatchEvent(new CustomEvent("hass-notification", {
      detail: { message }, bubbles: true, composed: true,
    }));
  }
}

/** Define the card, unless the registry has it. */
function define() {
  if (!customElements.get("veroallarme-card")) {
    customElements.define("veroallarme-card", VeroAllarmeCard);
  }
}

define();
// The frontend replaces the registry while it starts, and what was defined before is lost then:
// by the time that its own element is there it has done so.
customElements.whenDefined("home-assistant").then(define);
window.customCards = window.customCards || [];
window.customCards.push({
  type: "veroallarme-card",
  name: "VeroAllarme",
  description: say(navigator.language, "description"),
  preview: true,
  documentationURL:
    "https://github.com/veroallarme/veroallarme/blob/main/docs/home-assistant.md#card",
});
