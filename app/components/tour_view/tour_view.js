// Pages come part by part, so a step is placed again and again for a while: until a person scrolls or clicks.

const PATIENCE_MS = 6000;
const PAUSE_MS = 100;
const ROOM = 12; // CSS pixels
const THEIRS = ["wheel", "touchmove", "pointerdown", "keydown"];

const steps = new WeakMap(); // mount -> the step it is at

// Components live in trees of their own.
function find(what) {
  const hosts = [...document.querySelectorAll("[data-testid=stBidiComponentIsolated]")];
  const trees = [document, ...hosts.map((host) => host.shadowRoot)];
  return trees.map((tree) => tree?.querySelector(what)).find(Boolean);
}

function bringIntoView(what) {
  const main = document.querySelector("[data-testid=stMain]");
  const card = document.querySelector(".st-key-tour");
  if (!main || !card) return;
  if (!what) {
    main.scrollTop = 0;
    return;
  }
  const thing = find(what)?.getBoundingClientRect();
  if (!thing?.height) return;
  const high = document.querySelector("[data-testid=stHeader]").getBoundingClientRect().bottom + ROOM;
  const low = card.getBoundingClientRect().top - ROOM;
  if (thing.bottom > low) main.scrollTop += Math.min(thing.bottom - low, thing.top - high);
  else if (thing.top < high) main.scrollTop += thing.top - high;
}

function begin(mount, { place, what }) {
  const step = { place, isOver: false };
  const end = () => {
    step.isOver = true;
    for (const name of THEIRS) window.removeEventListener(name, end, true);
  };
  for (const name of THEIRS) window.addEventListener(name, end, { capture: true, passive: true });
  const until = performance.now() + PATIENCE_MS;
  const look = () => {
    if (step.isOver) return;
    if (steps.get(mount) !== step || !mount.isConnected || performance.now() > until) {
      end();
      return;
    }
    bringIntoView(what);
    setTimeout(look, PAUSE_MS);
  };
  steps.set(mount, step);
  look();
}

export default function ({ data, parentElement }) {
  if (steps.get(parentElement)?.place !== data.place) begin(parentElement, data);
}
