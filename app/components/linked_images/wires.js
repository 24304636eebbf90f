// Marks over both panes: what is painted in which order, and the arrows. All sizes are CSS pixels.

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
  lead: { width: 1.6, bend: 0.2, head: 8, dash: { consistent: [DOT, 4.5], inconsistent: [DOT, 4.5] } },
};
const PAINT_ORDER = ["candidate", "claim", "lead", "backward", "forward"];
const NEUTRAL_KINDS = new Set(["candidate", "lead"]); // say nothing of a cycle
const MINOR_KINDS = new Set(["candidate", "claim"]); // thin, behind the cycle, not drawn towards what is out of view

const agreement = (link) => (link.consistent ? "consistent" : "inconsistent");
const linkInk = (link) => (NEUTRAL_KINDS.has(link.kind) ? INK.neutral : INK[agreement(link)]);

function paintWires(state, now) {
  const { wires, ratio, overlay } = state;
  const context = wires.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, wires.width / ratio, wires.height / ratio);
  paintLines(state, context);
  context.lineCap = "round";
  context.lineJoin = "round";
  const tips = PAINT_ORDER.flatMap((kind) =>
    overlay.links.filter((link) => link.kind === kind).map((link) => drawLink(context, state, link)),
  ).filter(Boolean);
  const spots = overlay.markers.map((marker) => placeMarker(state, marker));
  for (const spot of spots) if (spot.isVisible) drawMarker(context, spot);
  drawLabels(context, state, spots, tips);
  drawLive(context, state);
  drawCursor(context, state, state.hover, 0.95);
  drawCursor(context, state, state.cursor, 1);
  drawPulse(context, state, now);
  drawRegion(context, state);
}

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
