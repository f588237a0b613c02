// Within Home Assistant the page stands in a frame, which its panel always opens at the start. A
// link such as /app/<slug>?page=/events/drive/20261128_031500_a1b2c3 names a page of ours in the
// address of the panel: this goes there.

const PARAMETER = "page";

/** The window of Home Assistant around us; null where there is none, or it is of somebody else. */
function panel() {
  if (window.parent === window) return null;
  try {
    return window.parent.location.origin === window.location.origin ? window.parent : null;
  } catch {
    return null;
  }
}

function follow(around, root) {
  const address = new URL(around.location.href);
  const path = address.searchParams.get(PARAMETER);
  if (path === null) return;
  // Once is enough: whoever loads the panel again shall stay where they are.
  address.searchParams.delete(PARAMETER);
  around.history.replaceState(around.history.state, "", address);
  const wanted = new URL(root + path, window.location.origin);
  const isOurs = wanted.origin === window.location.origin && wanted.pathname.startsWith(`${root}/`);
  if (/^\/(?!\/)/.test(path) && isOurs) window.location.replace(wanted);
}

/**
 * Go where Home Assistant's panel names a page of ours, now and later.
 *
 * @param {string} root  what stands before our paths.
 */
export function followPanel(root) {
  const around = panel();
  if (around === null) return;
  const listener = () => follow(around, root);
  around.addEventListener("location-changed", listener);
  window.addEventListener("pagehide", () => {
    around.removeEventListener("location-changed", listener);
  });
  listener();
}
