// Geometry: the shared viewport, and where feature pixels lie on the screen.
// The viewport is relative (0 to 1 of the image), so that both panes show the same part at any size.

const SIDES = ["source", "target"];
const CELLS_AT_LEAST = 8; // visible at the strongest zoom, along the longer side

const PANE_MARGIN = 14; // CSS pixels around the images for labels at the edge

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

function maximalScale(state) {
  const longest = Math.max(...SIDES.flatMap((side) => state.panes[side].grid));
  return Math.max(4, longest / CELLS_AT_LEAST);
}

function clampView(view) {
  view.x = clamp(view.x, 0, 1 - 1 / view.scale);
  view.y = clamp(view.y, 0, 1 - 1 / view.scale);
}

// u, v: the point of the pane (0 to 1) that stays where it is.
function zoomAbout(state, u, v, factor) {
  const { view } = state;
  const scale = clamp(view.scale * factor, 1, maximalScale(state));
  view.x += u / view.scale - u / scale;
  view.y += v / view.scale - v / scale;
  view.scale = scale;
  clampView(view);
  viewChanged(state);
}

function panBy(state, du, dv) {
  state.view.x -= du / state.view.scale;
  state.view.y -= dv / state.view.scale;
  clampView(state.view);
  viewChanged(state);
}

function resetView(state) {
  Object.assign(state.view, { x: 0, y: 0, scale: 1 });
  viewChanged(state);
}

function viewChanged(state) {
  keepView(state);
  showZoom(state);
  requestPaint(state, "panes");
}

function relativePoint(pane, event) {
  const box = pane.canvas.getBoundingClientRect();
  return { u: (event.clientX - box.left) / box.width, v: (event.clientY - box.top) / box.height };
}

function cellAt(state, pane, event) {
  const { u, v } = relativePoint(pane, event);
  if (u < 0 || v < 0 || u >= 1 || v >= 1) return null;
  const [rows, columns] = pane.grid;
  const { x, y, scale } = state.view;
  const column = clamp(Math.floor((x + u / scale) * columns), 0, columns - 1);
  const row = clamp(Math.floor((y + v / scale) * rows), 0, rows - 1);
  return row * columns + column;
}

function rowAndColumn(pane, index) {
  const columns = pane.grid[1];
  return [Math.floor(index / columns), index % columns];
}

// The cell of a feature pixel in CSS pixels of the wires canvas; `isVisible` says whether its centre is in view.
function cellBox(state, pane, index) {
  const [rows, columns] = pane.grid;
  const [row, column] = rowAndColumn(pane, index);
  const { x, y, scale } = state.view;
  const { left, top, width, height } = pane.box;
  const cell = {
    x: left + (column / columns - x) * scale * width,
    y: top + (row / rows - y) * scale * height,
    width: (scale * width) / columns,
    height: (scale * height) / rows,
  };
  const centre = { x: cell.x + cell.width / 2, y: cell.y + cell.height / 2 };
  const isVisible =
    centre.x >= left && centre.x <= left + width && centre.y >= top && centre.y <= top + height;
  return { ...cell, centre, isVisible };
}

function keepInView(state, pane, index) {
  const [rows, columns] = pane.grid;
  const [row, column] = rowAndColumn(pane, index);
  const { view } = state;
  const span = 1 / view.scale;
  view.x = clamp(view.x, (column + 2) / columns - span, (column - 1) / columns);
  view.y = clamp(view.y, (row + 2) / rows - span, (row - 1) / rows);
  clampView(view);
  viewChanged(state);
}

// Canvas sizes in device pixels; called when the layout or the pixel ratio changes.
function measure(state) {
  const ratio = window.devicePixelRatio || 1;
  const stage = state.stage.getBoundingClientRect();
  const boxes = SIDES.map((side) => state.panes[side].canvas.getBoundingClientRect());
  const left = Math.min(...boxes.map((box) => box.left)) - PANE_MARGIN - stage.left;
  const top = Math.min(...boxes.map((box) => box.top)) - PANE_MARGIN - stage.top;
  const width = Math.max(...boxes.map((box) => box.right)) + PANE_MARGIN - stage.left - left;
  const height = Math.max(...boxes.map((box) => box.bottom)) + PANE_MARGIN - stage.top - top;
  SIDES.forEach((side, i) => {
    const pane = state.panes[side];
    const box = boxes[i];
    pane.box = {
      left: box.left - stage.left - left,
      top: box.top - stage.top - top,
      width: box.width,
      height: box.height,
    };
    resizeCanvas(pane.canvas, box.width * ratio, box.height * ratio);
  });
  Object.assign(state.wires.style, { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` });
  resizeCanvas(state.wires, width * ratio, height * ratio);
  state.ratio = ratio;
  state.room = { width, height };
  requestPaint(state, "panes");
}

function resizeCanvas(canvas, width, height) {
  const [columns, rows] = [Math.max(1, Math.round(width)), Math.max(1, Math.round(height))];
  if (canvas.width !== columns) canvas.width = columns;
  if (canvas.height !== rows) canvas.height = rows;
}
