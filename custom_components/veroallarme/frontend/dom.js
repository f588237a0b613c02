/** Elements without a library, and the words of a language. */

import WORDS from "./words.js";

/**
 * Make an element.
 *
 * @param {string} tag
 * @param {object} properties  set as properties; `on…` are listeners, `aria-…` and others with a
 *     dash are attributes, undefined and null are left out.
 * @param {...(Node|string|null)} children
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name.includes("-") || name === "role" || name === "for") {
      element.setAttribute(name, value);
    } else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Return an icon that says nothing to a screen reader: words stand beside it or on its button. */
export const icon = (name) => make("ha-icon", { icon: `mdi:${name}`, "aria-hidden": "true" });

/** Return the sentence for a key, with its placeholders filled. */
export function say(language, key, values = {}) {
  const words = WORDS[(language || "en").split("-")[0]] || WORDS.en;
  return words[key].replace(/{(\w+)}/g, (_, name) => values[name]);
}

/** Return functions that write moments as this user's Home Assistant does. */
export function clock(hass) {
  const { language, time_format: format, time_zone: zone } = hass.locale;
  const timeZone = zone === "server" ? hass.config.time_zone : undefined;
  const hour12 = { 12: true, 24: false }[format];
  const of = (options) => new Intl.DateTimeFormat(language, { timeZone, ...options });
  const time = of({ hour: "2-digit", minute: "2-digit", hour12 });
  const day = of({ weekday: "long", day: "numeric", month: "long" });
  const key = new Intl.DateTimeFormat("en-CA", { timeZone }); // 2026-11-29
  return {
    time: (moment) => time.format(moment),
    day: (moment) => day.format(moment),
    dayKey: (moment) => key.format(moment),
    /** Return the moment at which the day began that is so many days before today's. */
    midnight: (daysAgo) => {
      const begin = new Date(Date.now() - daysAgo * 86400000);
      const wanted = key.format(begin);
      let low = begin.getTime() - 26 * 3600000;
      let high = begin.getTime();
      while (high - low > 500) {
        const middle = (low + high) / 2;
        if (key.format(middle) < wanted) low = middle;
        else high = middle;
      }
      return new Date(Math.round(high / 1000) * 1000);
    },
  };
}
