// How a person looks at a page: chosen layers, opacity, zoom. Copy link tells it as `look`; the first viewer of its scene
// takes it up again.

const LOOK_PARTS = 5; // scene, layer of the source, layer of the target, opacity in percent, view
const [NOT_CHOSEN, NO_LAYER] = ["", "-"];

// Python writes the address anew without it, so what counts is the address that the document was loaded with.
let toldLook = readLook(performance.getEntriesByType("navigation")[0]?.name ?? window.location.href);

function readLook(address) {
  const parts = (new URL(address).searchParams.get("look") ?? "").split("~");
  if (parts.length !== LOOK_PARTS) return null;
  const [scene, source, target, opacity, view] = parts;
  const numbers = view.split(",").map(Number);
  return {
    scene,
    layers: { source, target },
    opacity: opacity !== "" && Number.isFinite(Number(opacity)) ? clamp(Number(opacity) / 100, 0, 1) : null,
    view: numbers.length === 3 && numbers.every(Number.isFinite) ? numbers : null,
  };
}

function describeLook({ overlay, panes, opacity, view }) {
  if (!overlay) return "";
  const layers = SIDES.map((side) => {
    const { chosen } = panes[side];
    return chosen.has(overlay.scene) ? (chosen.get(overlay.scene) ?? NO_LAYER) : NOT_CHOSEN;
  });
  const percent = opacity === overlay.opacity ? "" : String(Math.round(opacity * 100));
  const place = view.scale === 1 ? "" : [view.x, view.y, view.scale].map((number) => number.toFixed(4)).join(",");
  const isUsual = layers.every((name) => name === NOT_CHOSEN) && !percent && !place;
  return isUsual ? "" : [overlay.scene, ...layers, percent, place].join("~");
}

// The look of the address when it is one of this scene; once.
function takeLook(overlay) {
  if (toldLook?.scene !== overlay.scene) return null;
  const look = toldLook;
  toldLook = null;
  return look;
}

function chooseLayersOf(look, state) {
  const { overlay } = state;
  for (const side of SIDES) {
    const pane = state.panes[side];
    const name = look.layers[side] === NO_LAYER ? null : look.layers[side];
    const isThere = name === null || overlay.layers.some((layer) => layer.side === side && layer.name === name);
    if (look.layers[side] === NOT_CHOSEN || !isThere) continue;
    pane.asked.set(overlay.scene, overlay.active[side]);
    pane.chosen.set(overlay.scene, name);
  }
}

function placeViewOf(look, state) {
  if (look.opacity !== null) setOpacity(state, look.opacity);
  if (look.view === null) return;
  const [x, y, scale] = look.view;
  Object.assign(state.view, { x, y, scale: clamp(scale, 1, maximalScale(state)) });
  clampView(state.view);
  viewChanged(state);
}

// The copy button is a component of its own: it asks the viewer that is on the page.
function offerLook(state) {
  state.describe = () => describeLook(state);
  window.cycleLensLook = state.describe;
}

function withdrawLook(state) {
  if (window.cycleLensLook === state.describe) delete window.cycleLensLook;
}
