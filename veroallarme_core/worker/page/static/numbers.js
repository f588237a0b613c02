// Draws the days as charts; the table below each says the same to who does not see them.

const alarms = document.getElementById("alarms");
const latency = document.getElementById("latency");
const told = JSON.parse(alarms.dataset.charts);
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const days = told.days.map((day) => new Date(`${day}T00:00`).getTime() / 1000);
const language = document.documentElement.lang;
const HEIGHT = 260;
const DAY_S = 86400;
/** Without a bar where there is nothing: its outline would look like something. */
const some = (counts) => counts.map((count) => count || null);

const short = new Intl.DateTimeFormat(language, { day: "numeric", month: "short" });
const asDay = (seconds) => short.format(new Date(seconds * 1000));

function bars(width) {
  return window.uPlot.paths.bars({ size: [width, 40], align: 0 });
}

function axes() {
  const line = { stroke: colour("--line"), width: 1 };
  const shared = { stroke: colour("--quiet"), grid: line, ticks: line };
  return [
    { ...shared, space: 70, values: (_, ticks) => ticks.map(asDay), incrs: [1, 7, 14, 30].map((count) => count * DAY_S) },
    { ...shared, size: 48 },
  ];
}

function draw(element, series, data) {
  element.replaceChildren();
  return new window.uPlot(
    {
      width: Math.max(200, element.clientWidth),
      height: HEIGHT,
      axes: axes(),
      cursor: { drag: { x: false, y: false } },
      scales: {
        x: { range: (_, first, last) => [first - DAY_S / 2, last + DAY_S / 2] },
        y: { range: (_, low, high) => [0, Math.max(1, high * 1.1 || 1)] },
      },
      series: [{ label: alarms.dataset.day, value: (_, at) => (at === null ? "–" : asDay(at)) }, ...series],
    },
    data,
    element,
  );
}

function all() {
  const [before, after] = [colour("--quiet"), colour("--relevant")];
  draw(
    alarms,
    [
      { label: alarms.dataset.before, stroke: before, fill: `${before}55`, paths: bars(0.8), points: { show: false } },
      { label: alarms.dataset.after, stroke: after, fill: after, paths: bars(0.45), points: { show: false } },
    ],
    [days, some(told.before), some(told.after)],
  );
  // One day alone makes no line, only points.
  const line = (label, name, dash) => ({ label, stroke: colour(name), width: 2, dash, spanGaps: true, points: { show: true, size: 6 } });
  draw(
    latency,
    [
      line(latency.dataset.median, "--accent"),
      line(latency.dataset.p95, "--unknown", [6, 4]),
      line(latency.dataset.judging, "--text", [2, 3]),
    ],
    [days, told.median_s, told.p95_s, told.judging_s],
  );
}

let due = 0;
function later() {
  clearTimeout(due);
  due = setTimeout(all, 120);
}

all();
let width = alarms.clientWidth;
new ResizeObserver(() => {
  if (alarms.clientWidth === width) return;
  width = alarms.clientWidth;
  later();
}).observe(alarms);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
