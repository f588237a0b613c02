// Draws zones over a picture: by mouse, by finger, or by the keyboard alone.
//
// Corners are shares of the picture's width and height, as in the settings. Whatever changes is
// noted for undo, and the worker is asked at once what it would have done to the last events.

import { ask } from "./live.js";

const editor = document.getElementById("zones");
const stage = document.getElementById("stage");
const canvas = document.getElementById("canvas");
const told = document.getElementById("told");
const hinted = document.getElementById("hint");
const estimate = document.getElementById("estimate");
const by = (id) => document.getElementById(id);
const words = editor.dataset;
const MOST_ZONES = 16;
const MOST_CORNERS = 64;
const STEP = 0.01;
const BIG_STEP = 0.05;
const FEWEST_CORNERS = 3;
const CLOSE_PX = 22; // from the first corner: half of what a finger hits
const ESTIMATE_AFTER_MS = 60;
// Whoever draws the drive and saves must not blind it by that.
const NEW_KIND = "only";

let zones = JSON.parse(words.zones);
let saved = JSON.stringify(zones);
let version = words.version; // of the zones that are in force, as far as this page knows
const suggested = JSON.parse(words.suggested);
let past = [];
let chosen = zones.length ? 0 : -1;
let drawing = null; // {points, cross}

const clamp = (share) => Math.min(1, Math.max(0, share));
const round = (share) => Math.round(clamp(share) * 10000) / 10000;
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
const percent = (share) => Math.round(share * 100);

function say(text) {
  told.textContent = text;
}

/** Say something of what is drawn, beside the picture: on a phone nothing else is in sight. */
function hint(text) {
  hinted.textContent = text;
}

function note() {
  past.push(JSON.stringify(zones));
  if (past.length > 200) past.shift();
}

// --- what it would have done ------------------------------------------------------------------

let waiting = 0;
let asked = 0;

function askWhatIf() {
  clearTimeout(waiting);
  waiting = setTimeout(async () => {
    const number = ++asked;
    try {
      const response = await ask(words.estimate, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ zones: shown() }),
      });
      const answer = await response.json();
      if (number !== asked) return; // a later corner was asked for meanwhile
      if (estimate.textContent !== answer.sentence) estimate.textContent = answer.sentence;
      estimate.classList.toggle("warns", !response.ok || answer.missed > 0);
    } catch {
      // The line at the foot of the page says that the worker is away.
    }
  }, ESTIMATE_AFTER_MS);
}

/** The zones as they would be with what is being drawn. */
function shown() {
  if (!drawing || drawing.points.length < FEWEST_CORNERS) return zones;
  return [...zones, { name: words.newName, kind: NEW_KIND, points: drawing.points }];
}

// --- the picture ------------------------------------------------------------------------------

function place(element, [x, y]) {
  element.style.left = `${x * 100}%`;
  element.style.top = `${y * 100}%`;
}

function polygon(points, classes) {
  const shape = document.createElementNS("http://www.w3.org/2000/svg", "polygon");
  shape.setAttribute("points", points.map(([x, y]) => `${x * 1000},${y * 1000}`).join(" "));
  shape.setAttribute("class", classes);
  return shape;
}

function drawPicture() {
  canvas.replaceChildren();
  stage.querySelectorAll(".corner, .between, .cross").forEach((old) => old.remove());
  for (const element of suggested) {
    if (element) canvas.append(polygon(element.points, "suggested"));
  }
  zones.forEach((zone, index) => {
    const shape = polygon(zone.points, `zone ${zone.kind}${index === chosen ? " chosen" : ""}`);
    shape.addEventListener("click", () => drawing || choose(index));
    canvas.append(shape);
  });
  if (drawing) {
    canvas.append(polygon(drawing.points, `zone ${NEW_KIND} chosen`));
    drawing.points.forEach((point, index) => {
      const closes = index === 0 && drawing.points.length >= FEWEST_CORNERS;
      stage.append(handle("span", closes ? "corner closes" : "corner", point));
    });
    stage.append(handle("span", "cross", drawing.cross));
  } else if (chosen >= 0) {
    drawHandles(zones[chosen]);
  }
}

function handle(tag, name, point) {
  const element = document.createElement(tag);
  element.className = name;
  place(element, point);
  return element;
}

function drawHandles(zone) {
  zone.points.forEach((point, index) => {
    const corner = handle("button", "corner", point);
    corner.type = "button";
    describe(corner, zone, index);
    corner.title = words.cornerHelp;
    corner.addEventListener("pointerdown", (event) => drag(event, corner, zone, index));
    corner.addEventListener("keydown", (event) => moveByKey(event, zone, index));
    stage.append(corner);
  });
  if (zone.points.length >= MOST_CORNERS) return;
  zone.points.forEach((point, index) => {
    const next = zone.points[(index + 1) % zone.points.length];
    const middle = [(point[0] + next[0]) / 2, (point[1] + next[1]) / 2];
    const between = handle("span", "between", middle);
    between.addEventListener("pointerdown", (event) => {
      note();
      zone.points.splice(index + 1, 0, middle);
      draw();
      const corner = stage.querySelectorAll("button.corner")[index + 1];
      drag(event, corner, zone, index + 1, true);
    });
    stage.append(between);
  });
}

function describe(corner, zone, index) {
  const [x, y] = zone.points[index];
  corner.setAttribute(
    "aria-label",
    fill(words.corner, {
      number: index + 1,
      count: zone.points.length,
      zone: zone.name,
      x: percent(x),
      y: percent(y),
    }),
  );
}

function at(event) {
  const box = stage.getBoundingClientRect();
  return [
    round((event.clientX - box.left) / box.width),
    round((event.clientY - box.top) / box.height),
  ];
}

function drag(event, corner, zone, index, isNoted = false) {
  if (event.button) return;
  event.preventDefault();
  corner.focus();
  let wasMoved = isNoted;
  const move = (moving) => {
    if (!wasMoved) note();
    wasMoved = true;
    zone.points[index] = at(moving);
    place(corner, zone.points[index]);
    canvas
      .querySelectorAll(".zone")
      [chosen].setAttribute("points", zone.points.map(([x, y]) => `${x * 1000},${y * 1000}`).join(" "));
    askWhatIf();
  };
  const end = () => {
    window.removeEventListener("pointermove", move);
    window.removeEventListener("pointerup", end);
    window.removeEventListener("pointercancel", end);
    if (!wasMoved) return;
    draw();
    focusCorner(index);
  };
  window.addEventListener("pointermove", move);
  window.addEventListener("pointerup", end);
  window.addEventListener("pointercancel", end);
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function moveByKey(event, zone, index) {
  const step = event.shiftKey ? BIG_STEP : STEP;
  const arrow = ARROWS[event.key];
  if (arrow) {
    note();
    const [x, y] = zone.points[index];
    zone.points[index] = [round(x + arrow[0] * step), round(y + arrow[1] * step)];
    draw();
    focusCorner(index);
    const [newX, newY] = zone.points[index];
    hint(fill(words.moved, { x: percent(newX), y: percent(newY) }));
  } else if (event.key === "Delete" || event.key === "Backspace") {
    if (zone.points.length <= FEWEST_CORNERS) {
      hint(words.tooFew);
    } else {
      note();
      zone.points.splice(index, 1);
      draw();
      focusCorner(Math.min(index, zone.points.length - 1));
    }
  } else if (event.key === "Insert" || event.key === "+") {
    if (zone.points.length >= MOST_CORNERS) return;
    note();
    const next = zone.points[(index + 1) % zone.points.length];
    const [x, y] = zone.points[index];
    zone.points.splice(index + 1, 0, [round((x + next[0]) / 2), round((y + next[1]) / 2)]);
    draw();
    focusCorner(index + 1);
  } else {
    return;
  }
  event.preventDefault();
}

function focusCorner(index) {
  stage.querySelectorAll("button.corner")[index]?.focus();
}

// --- drawing a new one ------------------------------------------------------------------------

function begin() {
  if (zones.length >= MOST_ZONES) {
    say(words.full);
    return;
  }
  drawing = { points: [], cross: [0.5, 0.5] };
  draw();
  canvas.focus({ preventScroll: true });
  hint(words.drawing);
  // At a desk the picture is so small that what it would do is in sight as well.
  const last = matchMedia("(min-width: 60rem)").matches ? estimate : by("finish");
  last.scrollIntoView({ block: "nearest" });
}

/** A name that no other zone has: the wanted one, else with the next number behind it. */
function freeName(wanted, except) {
  const names = zones.filter((zone) => zone !== except).map((zone) => zone.name.toLowerCase());
  const [, word, number] = wanted.match(/^(.*?)(?: (\d{1,3}))?$/);
  let name = wanted;
  for (let next = Number(number ?? 1) + 1; names.includes(name.toLowerCase()); next += 1) {
    name = `${word} ${next}`;
  }
  return name;
}

function end(isKept) {
  const points = drawing?.points ?? [];
  if (isKept && points.length < FEWEST_CORNERS) {
    hint(words.tooFew);
    return;
  }
  hint("");
  drawing = null;
  if (isKept) {
    note();
    zones.push({ name: freeName(`${words.newName} 1`), kind: NEW_KIND, points });
    chosen = zones.length - 1;
    say("");
  }
  draw();
  if (isKept) by("zone-list").querySelectorAll("input")[chosen].select();
  else by("new-zone").focus();
}

/** Whether a point lies on the first corner of a zone that can be closed. */
function closes([x, y]) {
  if (drawing.points.length < FEWEST_CORNERS) return false;
  const [[firstX, firstY]] = drawing.points;
  const { width, height } = stage.getBoundingClientRect();
  return Math.hypot((x - firstX) * width, (y - firstY) * height) <= CLOSE_PX;
}

function put(point) {
  if (closes(point)) {
    end(true);
    return;
  }
  if (drawing.points.length >= MOST_CORNERS) return;
  drawing.points.push(point);
  drawing.cross = point;
  draw();
  const placed = { count: drawing.points.length, x: percent(point[0]), y: percent(point[1]) };
  const more = placed.count >= FEWEST_CORNERS ? ` ${words.canClose}` : "";
  hint(fill(words.placed, placed) + more);
}

canvas.addEventListener("pointerup", (event) => {
  if (drawing && !event.button) put(at(event));
});

canvas.addEventListener("keydown", (event) => {
  if (!drawing) return;
  const arrow = ARROWS[event.key];
  if (arrow) {
    const step = event.shiftKey ? BIG_STEP : STEP;
    const [x, y] = drawing.cross;
    drawing.cross = [round(x + arrow[0] * step), round(y + arrow[1] * step)];
    draw();
    hint(fill(words.cross, { x: percent(drawing.cross[0]), y: percent(drawing.cross[1]) }));
  } else if (event.key === "Enter" || event.key === " ") {
    put(drawing.cross);
  } else if (event.key === "Backspace" || event.key === "Delete") {
    drawing.points.pop();
    draw();
  } else {
    return;
  }
  event.preventDefault();
});

// --- the list ---------------------------------------------------------------------------------

function drawList() {
  const list = by("zone-list");
  const focused = list.contains(document.activeElement) ? document.activeElement : null;
  if (focused?.matches("input")) {
    // Who is typing a name keeps the field.
    [...list.children].forEach((row, index) => row.classList.toggle("chosen", index === chosen));
    return;
  }
  list.replaceChildren(
    ...zones.map((zone, index) => {
      const row = by("zone-row").content.firstElementChild.cloneNode(true);
      row.classList.toggle("chosen", index === chosen);
      const name = row.querySelector("[name=name]");
      const kind = row.querySelector("[name=kind]");
      const edit = row.querySelector("[data-do=edit]");
      const remove = row.querySelector("[data-do=remove]");
      name.value = zone.name;
      kind.value = zone.kind;
      edit.setAttribute("aria-pressed", String(index === chosen));
      const nameButtons = () => {
        for (const button of [edit, remove]) {
          button.setAttribute("aria-label", `${button.textContent}: ${zone.name}`);
        }
      };
      nameButtons();
      name.addEventListener("focus", () => choose(index));
      name.addEventListener("change", () => {
        note();
        zone.name = freeName(name.value.trim() || zone.name, zone);
        name.value = zone.name;
        nameButtons();
        // The field that is clicked next is in this list: it stays.
        draw({ isListKept: true });
      });
      kind.addEventListener("change", () => {
        note();
        zone.kind = kind.value;
        if (zone.kind !== "only") delete zone.objects;
        chosen = index;
        draw();
        by("zone-list").querySelectorAll("select")[index].focus();
      });
      edit.addEventListener("click", () => {
        choose(index);
        focusCorner(0);
      });
      remove.addEventListener("click", () => {
        note();
        zones.splice(index, 1);
        chosen = Math.min(chosen, zones.length - 1);
        draw();
        by("new-zone").focus();
      });
      return row;
    }),
  );
}

function choose(index) {
  if (chosen === index) return;
  chosen = index;
  draw();
}

function draw({ isListKept = false } = {}) {
  drawPicture();
  if (!isListKept) drawList();
  const isChanged = JSON.stringify(zones) !== saved;
  stage.classList.toggle("drawing", drawing !== null);
  by("new-zone").hidden = drawing !== null;
  by("finish").hidden = by("cancel").hidden = drawing === null;
  by("finish").disabled = !drawing || drawing.points.length < FEWEST_CORNERS;
  by("undo").disabled = !past.length && !drawing?.points.length;
  by("save").disabled = by("discard").disabled = !isChanged || drawing !== null;
  by("no-zones").hidden = zones.length > 0;
  askWhatIf();
}

// --- undo, save -------------------------------------------------------------------------------

function undo() {
  if (drawing?.points.length) {
    drawing.points.pop();
  } else if (past.length) {
    zones = JSON.parse(past.pop());
    chosen = Math.min(chosen < 0 ? 0 : chosen, zones.length - 1);
    say(words.undone);
  }
  draw();
}

async function send(url, content) {
  try {
    const response = await ask(url, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(content),
    });
    const answer = await response.json();
    say(answer.sentence);
    return response.ok ? answer : null;
  } catch {
    say(by("status").dataset.failed);
    return null;
  }
}

by("new-zone").addEventListener("click", begin);
by("finish").addEventListener("click", () => end(true));
by("cancel").addEventListener("click", () => end(false));
by("undo").addEventListener("click", undo);
by("discard").addEventListener("click", () => {
  note();
  zones = JSON.parse(saved);
  chosen = zones.length ? 0 : -1;
  draw();
});
by("save").addEventListener("click", async () => {
  const sent = JSON.stringify(zones);
  const answer = await send(`${words.save}?version=${version}`, { zones });
  if (answer) {
    // Who went on drawing meanwhile keeps that.
    if (JSON.stringify(zones) === sent) zones = answer.zones;
    saved = JSON.stringify(answer.zones);
    version = answer.version;
    draw();
  }
});
by("show-heat")?.addEventListener("click", (event) => {
  const heat = by("heat");
  heat.hidden = !heat.hidden;
  event.currentTarget.setAttribute("aria-pressed", String(!heat.hidden));
});
document.addEventListener("keydown", (event) => {
  const isTyping = event.target.matches?.("input, select, textarea");
  if (event.key === "Escape" && drawing) end(false);
  else if ((event.ctrlKey || event.metaKey) && event.key === "z" && !isTyping) undo();
  else return;
  event.preventDefault();
});
window.addEventListener("beforeunload", (event) => {
  if (JSON.stringify(zones) !== saved) event.preventDefault();
});
const picture = by("picture");
/** Of the picture, by which it is kept so small that all of it is in sight. */
function noteAspect() {
  if (!picture?.naturalWidth) return;
  stage.style.setProperty("--aspect", String(picture.naturalWidth / picture.naturalHeight));
}
picture?.addEventListener("load", noteAspect);
picture?.addEventListener("error", (event) => event.target.remove());
noteAspect();

by("suggestions")?.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-answer]");
  if (!button) return;
  const row = button.closest(".suggestion");
  const number = Number(row.dataset.number);
  if (button.dataset.answer === "edit") {
    note();
    const zone = structuredClone(suggested[number]);
    zones.push({ ...zone, name: freeName(zone.name) });
    suggested[number] = null;
    chosen = zones.length - 1;
    row.remove();
    draw();
    focusCorner(0);
    say(words.unsaved);
    return;
  }
  const take = button.dataset.answer === "take";
  const answer = await send(words.suggestion, { id: row.dataset.id, take });
  if (!answer) return;
  row.remove();
  if (take) {
    const isChanged = JSON.stringify(zones) !== saved;
    const zone = suggested[number];
    saved = JSON.stringify(answer.zones);
    version = answer.version;
    zones = isChanged ? [...zones, zone] : answer.zones;
    chosen = zones.length - 1;
  }
  suggested[number] = null;
  draw();
});

draw();
