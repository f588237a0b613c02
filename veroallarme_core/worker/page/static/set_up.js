// Says what is waited for while the pictures of a camera are tried.

function say(event, isBusy) {
  const form = event.target.closest?.("[data-busy]");
  if (form) form.querySelector(".busy").textContent = isBusy ? form.dataset.busy : "";
}

document.addEventListener("htmx:beforeSend", (event) => say(event, true));
document.addEventListener("htmx:afterRequest", (event) => say(event, false));
