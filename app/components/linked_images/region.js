// A rectangle of feature pixels, drawn with Shift held down where somebody listens.

function startPress(state, pane, event) {
  const press = { x: event.clientX, y: event.clientY, isDrag: false };
  const index = event.shiftKey && state.overlay?.takesRegions ? cellAt(state, pane, event) : null;
  if (index !== null) press.region = { first: index, last: index };
  return press;
}

function moveRegion(state, pane, { x, y }) {
  const { region } = pane.press;
  const box = pane.canvas.getBoundingClientRect();
  const inside = { clientX: clamp(x, box.left, box.right - 1), clientY: clamp(y, box.top, box.bottom - 1) };
  region.last = cellAt(state, pane, inside) ?? region.last;
  state.region = { pane, ...region };
  setHover(state, pane, null);
  requestPaint(state, "wires");
}

function regionCorners(pane, { first, last }) {
  const [[row, column], [otherRow, otherColumn]] = [rowAndColumn(pane, first), rowAndColumn(pane, last)];
  return {
    firstRow: Math.min(row, otherRow),
    firstColumn: Math.min(column, otherColumn),
    lastRow: Math.max(row, otherRow),
    lastColumn: Math.max(column, otherColumn),
  };
}

function sendRegion(state, pane, region) {
  state.send("region", { side: pane.side, ...regionCorners(pane, region), serial: nextSerial(state) });
}

function drawRegion(context, state) {
  if (!state.region) return;
  const { pane } = state.region;
  const corners = regionCorners(pane, state.region);
  const columns = pane.grid[1];
  const start = cellBox(state, pane, corners.firstRow * columns + corners.firstColumn);
  const end = cellBox(state, pane, corners.lastRow * columns + corners.lastColumn);
  const box = { x: start.x, y: start.y, width: end.x + end.width - start.x, height: end.y + end.height - start.y };
  context.save();
  clipToPane(context, pane);
  context.fillStyle = "rgba(255, 255, 255, 0.18)";
  context.fillRect(box.x, box.y, box.width, box.height);
  strokeCell(context, box, INK.neutral, 1.4);
  context.restore();
}
