// Shows the number beside the slider, and keeps one kind of objects chosen.

const form = document.getElementById("what-if");
const output = document.getElementById("threshold-value");

function show() {
  const slider = form.elements.threshold;
  slider.disabled = !form.elements.own_threshold.checked;
  output.textContent = Number(slider.value).toFixed(2);
  const kinds = [...form.querySelectorAll("[name=objects]")];
  const checked = kinds.filter((kind) => kind.checked);
  // Something has to count: the last one cannot be taken away.
  kinds.forEach((kind) => {
    const isLast = checked.length === 1 && kind.checked;
    kind.setAttribute("aria-disabled", String(isLast));
  });
}

form.addEventListener("click", (event) => {
  if (event.target.matches("[name=objects][aria-disabled=true]")) event.preventDefault();
});
form.addEventListener("input", show);
form.addEventListener("reset", () =>
  setTimeout(() => {
    show();
    form.dispatchEvent(new Event("input"));
  }),
);
show();
