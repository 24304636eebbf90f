// How a person looks at a page: chosen layers, opacity, zoom. It outlives the page and a reload, and Copy link tells it as
// `look`; the first viewer of its scene takes it up again.

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
  for (const side of SIDES) {
    if (look.layers[side] === NOT_CHOSEN) continue;
    adoptLayer(state, side, look.layers[side] === NO_LAYER ? null : look.layers[side]);
  }
}

function adoptLayer(state, side, name) {
  const { overlay, panes } = state;
  if (name !== null && !overlay.layers.some((layer) => layer.side === side && layer.name === name)) return;
  panes[side].asked.set(overlay.scene, overlay.active[side]);
  panes[side].chosen.set(overlay.scene, name);
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

// --- from page to page: each viewer ends with its page, this module does not; a reload ends it too ------------------

const STORED = "cyclelens look";
const kept = { layers: new Map(), opacity: new Map(), view: null }; // layers and opacity by scene, the view by pair of images

// Written once, when the document goes: a zoom or pan costs nothing.
window.addEventListener("pagehide", () => {
  const { layers, opacity, view } = kept;
  try {
    sessionStorage.setItem(STORED, JSON.stringify({ layers: [...layers], opacity: [...opacity], view }));
  } catch {
    // a browser that stores nothing begins anew
  }
});

// Another address in the same tab begins as that address says.
function restoreKept() {
  if (performance.getEntriesByType("navigation")[0]?.type !== "reload") return;
  try {
    const { layers, opacity, view } = JSON.parse(sessionStorage.getItem(STORED) ?? "{}");
    Object.assign(kept, { layers: new Map(layers), opacity: new Map(opacity), view: view ?? null });
  } catch {
    // as above
  }
}

restoreKept();

function keepLayer({ overlay }, { side, active }) {
  kept.layers.set(`${overlay.scene} ${side}`, { asked: overlay.active[side], name: active });
}

function keepOpacity({ overlay, opacity }) {
  kept.opacity.set(overlay.scene, { asked: overlay.opacity, opacity });
}

function keepView({ overlay, view }) {
  if (overlay) kept.view = { images: overlay.images, ...view };
}

// A choice holds until Python asks for something else than it did then.
function recallLayers(state) {
  for (const side of SIDES) {
    const choice = kept.layers.get(`${state.overlay.scene} ${side}`);
    if (choice && choice.asked === state.overlay.active[side]) adoptLayer(state, side, choice.name);
  }
}

function recallPlace(state) {
  const { overlay } = state;
  const choice = kept.opacity.get(overlay.scene);
  const opacity = choice && choice.asked === overlay.opacity ? choice.opacity : null;
  const view = kept.view?.images === overlay.images ? [kept.view.x, kept.view.y, kept.view.scale] : null;
  placeViewOf({ opacity, view }, state);
}
