// Pointer, wheel and keyboard. Handlers are properties, set once per mount: there is nothing to remove twice.

const CLICK_SLOP = 4; // CSS pixels a press may wander and still be a click
const WHEEL_REST_MS = 300;

function connectPane(state, pane) {
  const { canvas } = pane;
  canvas.onpointerdown = (event) => pointerDown(state, pane, event);
  canvas.onpointermove = (event) => pointerMove(state, pane, event);
  canvas.onpointerup = (event) => pointerUp(state, pane, event);
  canvas.onpointercancel = (event) => pointerGone(state, pane, event);
  canvas.onpointerleave = () => setHover(state, pane, null);
  canvas.onwheel = (event) => wheel(state, pane, event);
  canvas.onkeydown = (event) => keyDown(state, pane, event);
  canvas.ondblclick = () => resetView(state);
}

// --- pointer ---------------------------------------------------------------------------------------------------

function pointerDown(state, pane, event) {
  if (event.pointerType === "mouse" && event.button !== 0) return;
  pane.canvas.setPointerCapture(event.pointerId);
  const { pointers } = pane;
  pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  if (pointers.size === 1) pane.press = startPress(state, pane, event);
  else pane.press = null;
}

function pointerMove(state, pane, event) {
  const before = pane.pointers.get(event.pointerId);
  if (!before) {
    setHover(state, pane, cellAt(state, pane, event));
    return;
  }
  const now = { x: event.clientX, y: event.clientY };
  if (pane.pointers.size === 2) pinch(state, pane, event.pointerId, now);
  else if (pane.press) drag(state, pane, before, now);
  pane.pointers.set(event.pointerId, now);
}

function drag(state, pane, before, now) {
  const { press } = pane;
  if (press.region) {
    press.isDrag = true;
    moveRegion(state, pane, now);
    return;
  }
  if (!press.isDrag && Math.hypot(now.x - press.x, now.y - press.y) < CLICK_SLOP) return;
  if (!press.isDrag) {
    press.isDrag = true;
    setHover(state, pane, null);
    pane.canvas.classList.add("is-dragged");
  }
  panBy(state, (now.x - before.x) / pane.box.width, (now.y - before.y) / pane.box.height);
}

// What lies under each finger stays there. Zoom first: at full view there is no room to pan.
function pinch(state, pane, movedId, now) {
  const [, other] = [...pane.pointers].find(([id]) => id !== movedId);
  const before = pane.pointers.get(movedId);
  const distance = (point) => Math.hypot(point.x - other.x, point.y - other.y) || 1;
  const { u, v } = relativePoint(pane, { clientX: (before.x + other.x) / 2, clientY: (before.y + other.y) / 2 });
  zoomAbout(state, u, v, distance(now) / distance(before));
  panBy(state, (now.x - before.x) / 2 / pane.box.width, (now.y - before.y) / 2 / pane.box.height);
}

function pointerUp(state, pane, event) {
  const { press } = pane;
  const isClick = pane.pointers.has(event.pointerId) && press && !press.isDrag;
  const region = press?.isDrag ? press.region : null;
  pointerGone(state, pane, event);
  if (region) sendRegion(state, pane, region);
  if (!isClick || event.detail > 1) return;
  const index = cellAt(state, pane, event);
  if (index === null) return;
  state.cursor = null; // the keyboard goes on from here
  pin(state, pane, index);
}

function pointerGone(state, pane, event) {
  pane.pointers.delete(event.pointerId);
  if (pane.pointers.size > 0) return;
  pane.press = null;
  state.region = null;
  requestPaint(state, "wires");
  pane.canvas.classList.remove("is-dragged");
}

// At full view, turning the wheel outwards scrolls the page; right after a zoom it does nothing, so that nothing jumps.
function wheel(state, pane, event) {
  const isAtRest = event.timeStamp - (state.lastWheel ?? -Infinity) > WHEEL_REST_MS;
  if (state.view.scale === 1 && event.deltaY >= 0 && !event.ctrlKey && isAtRest) return;
  event.preventDefault();
  state.lastWheel = event.timeStamp;
  const pixels = event.deltaY * (event.deltaMode === 1 ? 16 : 1);
  const { u, v } = relativePoint(pane, event);
  zoomAbout(state, u, v, Math.exp(-clamp(pixels, -120, 120) * (event.ctrlKey ? 0.008 : 0.0022)));
  setHover(state, pane, cellAt(state, pane, event));
}

function setHover(state, pane, index) {
  const isSame = index === null ? state.hover?.side !== pane.side : state.hover?.side === pane.side && state.hover.index === index;
  if (isSame) return;
  state.hover = index === null ? null : { side: pane.side, index };
  showStatus(state, pane);
  if (index !== null) speakSoon(state, pane, index);
  requestPaint(state, "wires");
}

function pin(state, pane, index) {
  state.pulse = { side: pane.side, index };
  state.pinned = { side: pane.side, index };
  state.send("pixel", { side: pane.side, index, serial: nextSerial(state) });
  requestPaint(state, "wires");
}

// Milliseconds since 1970: unlike a counter it does not start again when the component is mounted anew.
function nextSerial(state) {
  state.serial = Math.max(Date.now(), (state.serial ?? 0) + 1);
  return state.serial;
}

// --- keyboard --------------------------------------------------------------------------------------------------

const ARROWS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

function keyDown(state, pane, event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !state.overlay) return;
  const isTaken = ARROWS[event.key]
    ? moveCursor(state, pane, ARROWS[event.key], event.shiftKey ? 8 : 1)
    : pressKey(state, pane, event.key);
  if (!isTaken) return;
  event.preventDefault();
  event.stopPropagation(); // Streamlit has shortcuts of its own
}

function moveCursor(state, pane, [down, right], step) {
  const [rows, columns] = pane.grid;
  const [row, column] = rowAndColumn(pane, startOfCursor(state, pane));
  const index =
    clamp(row + down * step, 0, rows - 1) * columns + clamp(column + right * step, 0, columns - 1);
  state.cursor = { side: pane.side, index };
  state.hover = null;
  if (state.view.scale > 1) keepInView(state, pane, index);
  for (const side of SIDES) showStatus(state, state.panes[side]);
  speakSoon(state, pane, index);
  requestPaint(state, "wires");
  return true;
}

// The cursor starts at what was pinned here and not yet answered, else where something is marked already, else in the middle.
function startOfCursor(state, pane) {
  const own = [state.cursor, state.pinned].find((place) => place?.side === pane.side);
  if (own) return own.index;
  const marker = state.overlay.markers.find((other) => other.side === pane.side && other.kind !== "candidate");
  const [rows, columns] = pane.grid;
  return marker?.index ?? Math.floor(rows / 2) * columns + Math.floor(columns / 2);
}

function pressKey(state, pane, key) {
  if (/^[1-9]$/.test(key)) return toggleLayer(state, pane, Number(key) - 1);
  const actions = {
    Enter: () => pin(state, pane, startOfCursor(state, pane)),
    " ": () => pin(state, pane, startOfCursor(state, pane)),
    Escape: () => clear(state),
    z: () => undo(state),
    Z: () => undo(state),
    l: () => toggleLive(state),
    L: () => toggleLive(state),
    "?": () => toggleHelp(state),
    "+": () => zoomAtCursor(state, pane, 1.5),
    "=": () => zoomAtCursor(state, pane, 1.5),
    "-": () => zoomAtCursor(state, pane, 1 / 1.5),
    0: () => resetView(state),
  };
  if (!Object.hasOwn(actions, key)) return false;
  actions[key]();
  return true;
}

function toggleLayer(state, pane, i) {
  const layer = pane.layers[i];
  if (layer?.values) chooseLayer(state, pane, pane.active === layer.name ? null : layer.name);
  return Boolean(layer);
}

function zoomAtCursor(state, pane, factor) {
  const { centre } = cellBox(state, pane, startOfCursor(state, pane));
  const { left, top, width, height } = pane.box;
  zoomAbout(state, clamp((centre.x - left) / width, 0, 1), clamp((centre.y - top) / height, 0, 1), factor);
}

function undo(state) {
  state.pinned = null;
  state.send("undo", { serial: nextSerial(state) });
}

function clear(state) {
  const isHelpOpen = !state.help.hidden;
  if (isHelpOpen) {
    toggleHelp(state, false);
    return;
  }
  state.cursor = null;
  state.pulse = null;
  state.pinned = null;
  for (const side of SIDES) showStatus(state, state.panes[side]);
  requestPaint(state, "wires");
  state.send("clear", { serial: nextSerial(state) });
}
