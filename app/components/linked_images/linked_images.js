// One module for two mounts: the store gets the images, the viewer everything else.
// Streamlit calls the default export again with each new message; what a viewer remembers hangs on its root element.

const viewers = new WeakMap();

function createPane(root, side) {
  const find = (name) => root.querySelector(`.${name}[data-side=${side}]`);
  const frame = find("li-frame");
  return {
    side,
    title: find("li-title"),
    frame,
    canvas: frame.querySelector("canvas"),
    status: find("li-status"),
    controls: find("li-layers"),
    layers: [],
    active: null,
    asked: new Map(), // scene -> layer that Python asked for
    chosen: new Map(), // scene -> layer that a person chose
    pointers: new Map(),
    press: null,
  };
}

function createViewer(root) {
  const find = (selector) => root.querySelector(selector);
  const state = {
    root,
    stage: find(".li-stage"),
    wires: find(".li-wires"),
    help: find(".li-help"),
    bar: find(".li-bar"),
    spoken: find(".li-spoken"),
    panes: { source: createPane(root, "source"), target: createPane(root, "target") },
    view: { x: 0, y: 0, scale: 1 },
    stale: new Set(), // sides to paint anew
    prefersStill: window.matchMedia("(prefers-reduced-motion: reduce)").matches,
  };
  for (const side of SIDES) connectPane(state, state.panes[side]);
  connectBar(state);
  connectLive(state);
  state.resizing = new ResizeObserver(() => measure(state));
  state.resizing.observe(state.stage);
  for (const side of SIDES) state.resizing.observe(state.panes[side].frame);
  watchPixelRatio(state);
  offerLook(state);
  viewers.set(root, state);
  return state;
}

// A window that moves to another screen changes its pixel ratio without changing any size.
function watchPixelRatio(state) {
  if (state.isGone) return;
  state.ratioQuery = window.matchMedia(`(resolution: ${window.devicePixelRatio}dppx)`);
  state.ratioQuery.onchange = () => {
    measure(state);
    watchPixelRatio(state);
  };
}

function closeViewer(state) {
  state.isGone = true;
  state.resizing.disconnect();
  state.ratioQuery.onchange = null;
  cancelAnimationFrame(state.frame);
  clearTimeout(state.speech);
  withdrawLook(state);
  viewers.delete(state.root);
}

function readOverlay({ header, sections }) {
  const end = (side, index) => ({ side, index });
  return {
    ...header,
    layers: header.layers.map((layer) => ({
      ...layer,
      values: layer.values === null ? null : sections[layer.values],
      colours: sections[layer.colours],
    })),
    markers: header.markers.map(([side, index, kind, label, colour]) => ({ side, index, kind, label, colour })),
    lines: readLines(header.lines, sections),
    liveColours: new Uint32Array(sections[header.viridis].slice().buffer),
    links: header.links.map(([side, index, toSide, toIndex, kind, consistent]) => ({
      start: end(side, index),
      end: end(toSide, toIndex),
      kind,
      consistent,
    })),
  };
}

// Images and overlay change together: until the images are decoded the old picture stays whole.
async function showMessage(state, message) {
  if (message.header.hash === state.overlay?.hash) {
    endPulse(state);
    return;
  }
  state.expected = message.header.hash;
  const pictures = await stores.images.request(message.header.images);
  if (state.expected === message.header.hash && !state.isGone) applyOverlay(state, readOverlay(message), pictures);
}

function applyOverlay(state, overlay, pictures) {
  const before = state.overlay;
  state.overlay = overlay;
  state.isFresh = true;
  state.liveColours = overlay.liveColours;
  loadFeatures(state, overlay.features);
  if (!before) recallLayers(state);
  const look = takeLook(overlay);
  if (look) chooseLayersOf(look, state);
  for (const side of SIDES) updatePane(state, state.panes[side], pictures[side]);
  if (before && before.images !== overlay.images) forgetPlace(state);
  showTitles(state);
  showKey(state);
  showHelp(state);
  showZoom(state);
  if (overlay.opacity !== before?.opacity) setOpacity(state, overlay.opacity);
  if (!before) recallPlace(state);
  if (look) placeViewOf(look, state);
  endPulse(state);
  forgetAnswered(state);
  measure(state);
}

function updatePane(state, pane, picture) {
  const { overlay } = state;
  Object.assign(pane, { picture, ...overlay.panes[pane.side] });
  pane.layers = overlay.layers.filter((layer) => layer.side === pane.side);
  pane.active = nextLayer(pane, overlay);
  if (!activeLayer(pane)) pane.active = null;
  showLayers(state, pane);
  showStatus(state, pane);
}

// A person's choice holds in its scene until Python asks for another layer there.
function nextLayer(pane, { scene, active }) {
  const asked = active[pane.side];
  if (pane.asked.get(scene) !== asked) pane.chosen.delete(scene);
  pane.asked.set(scene, asked);
  return pane.chosen.has(scene) ? pane.chosen.get(scene) : asked;
}

// Another pair of images: a pixel or a zoom of the old one means nothing there.
function forgetPlace(state) {
  state.hover = null;
  state.cursor = null;
  state.pinned = null;
  Object.assign(state.view, { x: 0, y: 0, scale: 1 });
}

// From here on the markers say where the keyboard starts. The answer to an earlier pin changes nothing.
function forgetAnswered(state) {
  const { pinned, overlay } = state;
  const isShown = ({ side, index, kind }) => kind === "query" && side === pinned.side && index === pinned.index;
  if (pinned && overlay.markers.some(isShown)) state.pinned = null;
}

function endPulse(state) {
  state.pulse = null;
  requestPaint(state, "wires");
}

// Streamlit runs a clean-up not only at unmount but also when a newer message overtakes the loading of this module.
function whenGone(node, clean) {
  return () => setTimeout(() => node.isConnected || clean());
}

export default function linkedImages({ data, parentElement, setTriggerValue }) {
  const message = readMessage(data);
  const store = stores[message.header.kind];
  if (store) {
    store.publish(parentElement, message);
    return whenGone(parentElement, () => store.withdraw(parentElement));
  }
  const root = parentElement.querySelector(".li-root");
  const state = viewers.get(root) ?? createViewer(root);
  state.send = setTriggerValue;
  state.font = getComputedStyle(root).fontFamily;
  showMessage(state, message);
  return whenGone(root, () => closeViewer(state));
}
