// Marks over both panes: arrows, markers, labels, the cell under the cursor. All sizes are CSS pixels.

const INK = {
  consistent: "#38c9e0",
  inconsistent: "#ff8b3d",
  neutral: "#ffffff",
  halo: "rgba(9, 14, 20, 0.7)",
  text: "#0b141b",
};
const DOT = 0.01; // with round caps a dash of no length is a dot
const STROKES = {
  forward: { width: 2.6, bend: 0.2, head: 10, dash: { consistent: [], inconsistent: [11, 7] } },
  backward: { width: 2.6, bend: 0.2, head: 10, dash: { consistent: [DOT, 5.5], inconsistent: [9, 6, DOT, 6] } },
  candidate: { width: 1.2, bend: 0.1, head: 6, dash: { consistent: [], inconsistent: [] } },
  claim: { width: 1.2, bend: 0.1, head: 6, dash: { consistent: [], inconsistent: [5, 4] } },
};
const PAINT_ORDER = ["candidate", "claim", "backward", "forward"];
const MINOR_KINDS = new Set(["candidate", "claim"]); // thin, behind the cycle, not drawn towards what is out of view
const PULSE_MS = 700;
const PULSE_AT_MOST_MS = 2800;

const agreement = (link) => (link.consistent ? "consistent" : "inconsistent");
const linkInk = (link) => (link.kind === "candidate" ? INK.neutral : INK[agreement(link)]);

function paintWires(state, now) {
  const { wires, ratio, overlay } = state;
  const context = wires.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, wires.width / ratio, wires.height / ratio);
  context.lineCap = "round";
  context.lineJoin = "round";
  const tips = PAINT_ORDER.flatMap((kind) =>
    overlay.links.filter((link) => link.kind === kind).map((link) => drawLink(context, state, link)),
  ).filter(Boolean);
  const spots = overlay.markers.map((marker) => placeMarker(state, marker));
  for (const spot of spots) if (spot.isVisible) drawMarker(context, spot);
  drawLabels(context, state, spots, tips);
  drawCursor(context, state, state.hover, 0.95);
  drawCursor(context, state, state.cursor, 1);
  drawPulse(context, state, now);
}

// --- markers ---------------------------------------------------------------------------------------------------

function placeMarker(state, marker) {
  const pane = state.panes[marker.side];
  const cell = cellBox(state, pane, marker.index);
  return { ...cell, marker, pane, radius: ringRadius(cell, marker.kind), ink: markerInk(state, marker) };
}

function ringRadius(cell, kind) {
  const least = { query: 10, match: 10, return: 10, candidate: 6, claim: 0 }[kind] ?? 8;
  return Math.max(least, Math.hypot(cell.width, cell.height) / 2 + 2);
}

function markerInk(state, marker) {
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
const overlap = (a, b) =>
  Math.max(0, Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x)) *
  Math.max(0, Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y));

function findPlace(state, { centre, radius }, width, height, taken) {
  const [limitX, limitY] = [state.wires.width / state.ratio - width, state.wires.height / state.ratio - height];
  let best = null;
  for (const [dx, dy, far] of PLACES) {
    const reach = (dx && dy ? radius * 0.75 + 2 : radius + 5) + far;
    const x = clamp(centre.x + dx * (reach + width / 2) - width / 2, 0, limitX);
    const y = clamp(centre.y + dy * (reach + height / 2) - height / 2, 0, limitY);
    const place = box(x, y, width, height);
    const cost = taken.reduce((sum, other) => sum + overlap(place, other), 0);
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
  context.fillStyle = INK.text;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(marker.label, x + width / 2, y + height / 2 + 0.5);
}

// --- links -----------------------------------------------------------------------------------------------------

// An end outside the visible part of its pane is drawn at the edge, the whole arrow paler.
function linkEnd(state, { side, index }) {
  const pane = state.panes[side];
  const cell = cellBox(state, pane, index);
  const { left, top, width, height } = pane.box;
  const marker = state.overlay.markers.find((other) => other.side === side && other.index === index);
  return {
    x: clamp(cell.centre.x, left, left + width),
    y: clamp(cell.centre.y, top, top + height),
    gap: cell.isVisible ? ringRadius(cell, marker?.kind) + 2 : 3,
    isVisible: cell.isVisible,
  };
}

// A quadratic curve that leaves the straight line always on the same hand: way out and way back never coincide.
// `room` is the size of the canvas: the control point is pulled back until the curve stays inside.
function bentCurve(start, end, bend, room) {
  const [dx, dy] = [end.x - start.x, end.y - start.y];
  const length = Math.hypot(dx, dy) || 1;
  let offset = 2 * Math.min(length * bend, 110);
  let curve = quadratic(start, end, (dy / length) * offset, (-dx / length) * offset);
  for (let attempt = 0; attempt < 12 && !staysInside(curve, room); attempt += 1) {
    offset *= 0.8;
    curve = quadratic(start, end, (dy / length) * offset, (-dx / length) * offset);
  }
  return curve;
}

function quadratic(start, end, offsetX, offsetY) {
  const middle = { x: (start.x + end.x) / 2 + offsetX, y: (start.y + end.y) / 2 + offsetY };
  return (t) => ({
    x: (1 - t) ** 2 * start.x + 2 * t * (1 - t) * middle.x + t ** 2 * end.x,
    y: (1 - t) ** 2 * start.y + 2 * t * (1 - t) * middle.y + t ** 2 * end.y,
  });
}

function staysInside(curve, { width, height }) {
  const edge = PANE_MARGIN + 3;
  return [0.2, 0.35, 0.5, 0.65, 0.8].every((t) => {
    const { x, y } = curve(t);
    return x >= edge && y >= edge && x <= width - edge && y <= height - edge;
  });
}

// Points of the curve outside the rings of both ends; none if the rings touch.
function visiblePart(curve, start, end) {
  const STEPS = 240;
  const points = [];
  for (let i = 0; i <= STEPS; i += 1) {
    const point = curve(i / STEPS);
    const isClear =
      Math.hypot(point.x - start.x, point.y - start.y) >= start.gap &&
      Math.hypot(point.x - end.x, point.y - end.y) >= end.gap;
    if (isClear) points.push(point);
  }
  return points;
}

// Returns the tip of the arrow, or null if there was no room for one.
function drawLink(context, state, link) {
  const stroke = STROKES[link.kind];
  const [start, end] = [linkEnd(state, link.start), linkEnd(state, link.end)];
  const isInView = start.isVisible && end.isVisible;
  if (!isInView && MINOR_KINDS.has(link.kind)) return null;
  const points = visiblePart(bentCurve(start, end, stroke.bend, state.room), start, end);
  if (points.length < 4) return null;
  const tip = points[points.length - 1];
  const body = points.filter((point) => Math.hypot(point.x - tip.x, point.y - tip.y) >= stroke.head * 0.8);
  const neck = body[body.length - 1] ?? points[0];
  context.globalAlpha = isInView ? 1 : 0.55;
  strokeWithHalo(context, linkInk(link), stroke.width, () => tracePoints(context, body), stroke.dash[agreement(link)]);
  drawHead(context, neck, tip, stroke.head, linkInk(link));
  context.globalAlpha = 1;
  return tip;
}

function tracePoints(context, points) {
  context.beginPath();
  points.forEach(({ x, y }, i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.stroke();
}

function drawHead(context, from, tip, size, ink) {
  const angle = Math.atan2(tip.y - from.y, tip.x - from.x);
  context.save();
  context.translate(tip.x, tip.y);
  context.rotate(angle);
  context.beginPath();
  context.moveTo(0, 0);
  context.lineTo(-size * 1.25, -size * 0.55);
  context.lineTo(-size * 0.95, 0);
  context.lineTo(-size * 1.25, size * 0.55);
  context.closePath();
  context.strokeStyle = INK.halo;
  context.lineWidth = 2.6;
  context.stroke();
  context.fillStyle = ink;
  context.fill();
  context.restore();
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
