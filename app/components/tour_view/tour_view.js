// Pages come part by part, so a step is placed again and again until nothing has moved for a while, or a person scrolls or clicks.

const REST_MS = 6000;
const PATIENCE_MS = 60_000;
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

// Whether it was there and in view already.
function bringIntoView(what) {
  const main = document.querySelector("[data-testid=stMain]");
  const card = document.querySelector(".st-key-tour");
  if (!main || !card) return false;
  const before = main.scrollTop;
  if (!what) {
    main.scrollTop = 0;
    return before === 0;
  }
  const thing = find(what)?.getBoundingClientRect();
  if (!thing?.height) return false;
  const high = document.querySelector("[data-testid=stHeader]").getBoundingClientRect().bottom + ROOM;
  const low = card.getBoundingClientRect().top - ROOM;
  if (thing.bottom > low) main.scrollTop += Math.min(thing.bottom - low, thing.top - high);
  else if (thing.top < high) main.scrollTop += thing.top - high;
  return Math.abs(main.scrollTop - before) < 1;
}

function begin(mount, { place, what }) {
  const step = { place, isOver: false };
  const end = () => {
    step.isOver = true;
    for (const name of THEIRS) window.removeEventListener(name, end, true);
  };
  for (const name of THEIRS) window.addEventListener(name, end, { capture: true, passive: true });
  const started = performance.now();
  let movedLast = started;
  const look = () => {
    if (step.isOver) return;
    const now = performance.now();
    if (steps.get(mount) !== step || !mount.isConnected || now > Math.min(movedLast + REST_MS, started + PATIENCE_MS)) {
      end();
      return;
    }
    if (!bringIntoView(what)) movedLast = now;
    setTimeout(look, PAUSE_MS);
  };
  steps.set(mount, step);
  look();
}

export default function ({ data, parentElement }) {
  if (steps.get(parentElement)?.place !== data.place) begin(parentElement, data);
}
