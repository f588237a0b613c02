// The picture of one event: which frame is shown, whether they play, and what lies over them.

const FRAME_MS = 600;
const stage = document.querySelector("[data-stage]");
const image = stage?.querySelector("img");
const frames = document.querySelector(".frames[data-frames]");
const play = frames?.querySelector("[data-play]");
let timer = 0;

function choose(button) {
  image.src = `${frames.dataset.frames}${button.dataset.frame}?width=1280`;
  for (const other of frames.querySelectorAll("[data-frame]")) {
    other.setAttribute("aria-pressed", String(other === button));
  }
}

function next() {
  const buttons = [...frames.querySelectorAll("[data-frame]")];
  const at = buttons.findIndex((button) => button.getAttribute("aria-pressed") === "true");
  choose(buttons[(at + 1) % buttons.length]);
}

function setPlaying(isPlaying) {
  clearInterval(timer);
  if (isPlaying) timer = setInterval(next, FRAME_MS);
  play?.setAttribute("aria-pressed", String(isPlaying));
}

frames?.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button === play) {
    setPlaying(play.getAttribute("aria-pressed") !== "true");
    return;
  }
  setPlaying(false);
  choose(button);
});

document.querySelector("[data-layers]")?.addEventListener("change", (event) => {
  stage.classList.toggle(`no-${event.target.value}`, !event.target.checked);
});
for (const box of document.querySelectorAll("[data-layers] input")) {
  stage.classList.toggle(`no-${box.value}`, !box.checked);
}
