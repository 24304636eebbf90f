// Markers, their labels, the cell under the cursor and the pulse of a click. Sizes are CSS pixels.

const PULSE_MS = 700;
const PULSE_AT_MOST_MS = 2800;

function placeMarker(state, marker) {
  const pane = state.panes[marker.side];
  const cell = cellBox(state, pane, marker.index);
  return { ...cell, marker, pane, radius: ringRadius(cell, marker.kind), ink: markerInk(state, marker) };
}

function ringRadius(cell, kind) {
  const least = { query: 10, match: 10, return: 10, candidate: 6, claim: 0, probe: 7 }[kind] ?? 8;
  return Math.max(least, Math.hypot(cell.width, cell.height) / 2 + 2);
}

function markerInk(state, marker) {
  if (marker.colour) return marker.colour;
  const linkKind = { match: "forward", return: "backward", claim: "claim" }[marker.kind];
  const link = state.overlay.links.find(
    ({ kind, end, start }) => kind === linkKind && [end, start].some((to) => to.side === marker.side && to.index === marker.index),
  );
  return link ? linkInk(link) : INK.neutral;
}

function strokeWithHalo(context, ink, width, draw, dash = []) {
  context.setLineDash([]);
  context.strokeStyle = INK.halo;
  context.lineWidth = width + 2.6;
  draw();
  context.setLineDash(dash);
  context.strokeStyle = ink;
  context.lineWidth = width;
  draw();
  context.setLineDash([]);
}

function strokeCell(context, cell, ink, width) {
  strokeWithHalo(context, ink, width, () => context.strokeRect(cell.x, cell.y, cell.width, cell.height));
}

function drawMarker(context, spot) {
  const { marker, centre, radius, ink } = spot;
  const isMinor = MINOR_KINDS.has(marker.kind);
  strokeCell(context, spot, ink, isMinor ? 1 : 1.5);
  if (marker.kind === "claim") return;
  strokeWithHalo(context, ink, isMinor ? 1.1 : 2, () => {
    context.beginPath();
    context.arc(centre.x, centre.y, radius, 0, 2 * Math.PI);
    if (marker.kind === "query") addCrosshair(context, centre, radius);
    context.stroke();
  });
}

function addCrosshair(context, { x, y }, radius) {
  for (const [dx, dy] of [[1, 0], [0, 1], [-1, 0], [0, -1]]) {
    context.moveTo(x + dx * (radius - 3), y + dy * (radius - 3));
    context.lineTo(x + dx * (radius + 6), y + dy * (radius + 6));
  }
}

// --- labels ----------------------------------------------------------------------------------------------------

const DIRECTIONS = [[1, -1], [-1, -1], [1, 1], [-1, 1], [0, -1], [0, 1], [1, 0], [-1, 0]];
const PLACES = [0, 14, 28].flatMap((far) => DIRECTIONS.map(([dx, dy]) => [dx, dy, far]));

// Each label takes the first place around its marker that no other label, ring or arrow head has; crowded ones move out.
// The important ones choose first and lie on top.
function drawLabels(context, state, spots, tips) {
  const visible = spots.filter((spot) => spot.isVisible);
  const taken = visible.map(({ centre, radius }) => box(centre.x - radius, centre.y - radius, 2 * radius, 2 * radius));
  taken.push(...tips.map(({ x, y }) => box(x - 8, y - 8, 16, 16)));
  const byWeight = visible.filter(({ marker }) => marker.label).sort((a, b) => isMinorSpot(a) - isMinorSpot(b));
  const places = byWeight.map((spot) => {
    const size = labelSize(spot);
    context.font = `600 ${size}px ${state.font}`;
    const width = Math.max(context.measureText(spot.marker.label).width + size * 0.8, size * 1.5);
    const place = findPlace(state, spot, width, size * 1.5, taken);
    taken.push(place);
    return place;
  });
  for (let i = byWeight.length - 1; i >= 0; i -= 1) {
    context.font = `600 ${labelSize(byWeight[i])}px ${state.font}`;
    drawLabel(context, byWeight[i], places[i]);
  }
}

const labelSize = (spot) => (isMinorSpot(spot) ? 11 : 14);

const isMinorSpot = ({ marker }) => Number(MINOR_KINDS.has(marker.kind));
const box = (x, y, width, height) => ({ x, y, width, height });
const boxOf = ({ box: { left, top, width, height } }) => box(left, top, width, height);
const overlap = (a, b) =>
  Math.max(0, Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x)) *
  Math.max(0, Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y));

function findPlace(state, { centre, radius, pane }, width, height, taken) {
  const [limitX, limitY] = [state.wires.width / state.ratio - width, state.wires.height / state.ratio - height];
  let best = null;
  for (const [dx, dy, far] of PLACES) {
    const reach = (dx && dy ? radius * 0.75 + 2 : radius + 5) + far;
    const x = clamp(centre.x + dx * (reach + width / 2) - width / 2, 0, limitX);
    const y = clamp(centre.y + dy * (reach + height / 2) - height / 2, 0, limitY);
    const place = box(x, y, width, height);
    const outside = width * height - overlap(place, boxOf(pane));
    const cost = taken.reduce((sum, other) => sum + overlap(place, other), outside);
    if (!best || cost < best.cost - 4) best = { ...place, cost };
  }
  return best;
}

function drawLabel(context, { marker, ink }, { x, y, width, height }) {
  context.beginPath();
  context.roundRect(x, y, width, height, height / 2);
  context.fillStyle = ink;
  context.strokeStyle = INK.halo;
  context.lineWidth = 2.5;
  context.stroke();
  context.fill();
  context.fillStyle = isDark(ink) ? INK.neutral : INK.text;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(marker.label, x + width / 2, y + height / 2 + 0.5);
}

// Of "#rrggbb": whether white is easier to read on it than black.
function isDark(ink) {
  const [red, green, blue] = [1, 3, 5].map((at) => (parseInt(ink.slice(at, at + 2), 16) / 255) ** 2.2);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.18;
}

// --- cursor and pulse ------------------------------------------------------------------------------------------

function drawCursor(context, state, spot, strength) {
  if (!spot) return;
  const pane = state.panes[spot.side];
  const cell = cellBox(state, pane, spot.index);
  context.save();
  clipToPane(context, pane);
  context.globalAlpha = strength;
  strokeCell(context, cell, INK.neutral, 1.4);
  context.restore();
}

function clipToPane(context, { box: { left, top, width, height } }) {
  context.beginPath();
  context.rect(left, top, width, height);
  context.clip();
}

// Shows that a click was taken, until the answer arrives.
function drawPulse(context, state, now) {
  const { pulse } = state;
  if (!pulse) return;
  pulse.since ??= now;
  const age = now - pulse.since;
  if (age > PULSE_AT_MOST_MS) {
    state.pulse = null;
    return;
  }
  const pane = state.panes[pulse.side];
  const cell = cellBox(state, pane, pulse.index);
  const phase = state.prefersStill ? 0.4 : (age % PULSE_MS) / PULSE_MS;
  context.save();
  clipToPane(context, pane);
  context.globalAlpha = 1 - phase;
  strokeWithHalo(context, INK.neutral, 2, () => {
    context.beginPath();
    context.arc(cell.centre.x, cell.centre.y, 6 + 18 * phase, 0, 2 * Math.PI);
    context.stroke();
  });
  context.restore();
  requestPaint(state, "wires");
}
