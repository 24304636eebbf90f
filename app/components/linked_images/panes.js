// Painting of the images and of the layers over them.

const LATTICE_FROM = 18; // CSS pixels a cell, from where faint lines separate the cells

// Painting waits for the next frame; "wires" repaints the marks only, "panes" everything.
function requestPaint(state, what) {
  if (what === "panes") for (const side of SIDES) state.stale.add(side);
  if (state.frame || state.isGone) return;
  state.frame = requestAnimationFrame((now) => {
    state.frame = 0;
    paint(state, now);
  });
}

function paint(state, now) {
  if (!state.overlay || !state.panes.source.box) return;
  updateLive(state);
  for (const side of state.stale) paintPane(state, state.panes[side]);
  state.stale.clear();
  paintWires(state, now);
  state.root.dataset.shown = state.live ? `${state.live.side}-${state.live.index}` : "";
  state.root.dataset.verdict = state.live?.verdict ?? "";
  if (state.isFresh) {
    state.isFresh = false;
    state.root.dataset.serial = String(Number(state.root.dataset.serial) + 1);
    state.root.dataset.ready = "true";
  }
}

function paintPane(state, pane) {
  const { canvas } = pane;
  const context = canvas.getContext("2d", { alpha: false });
  const { x, y, scale } = state.view;
  const [width, height] = [canvas.width * scale, canvas.height * scale];
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.globalAlpha = 1;
  context.drawImage(paneBase(state, pane), 0, 0);
  context.setTransform(1, 0, 0, 1, -x * width, -y * height);
  const isLive = state.live && state.live.side !== pane.side;
  const layer = activeLayer(pane);
  if (isLive || layer) {
    context.globalAlpha = state.opacity;
    context.imageSmoothingEnabled = false;
    context.drawImage(isLive ? liveRaster(state, pane) : layerRaster(layer), 0, 0, width, height);
  }
  paintLattice(state, pane, context, width, height);
}

// The part of the photograph in view, scaled once per view: layers over it change with every hover.
function paneBase(state, pane) {
  const { canvas, picture } = pane;
  const { x, y, scale } = state.view;
  const place = [x, y, scale, canvas.width, canvas.height].join();
  if (pane.base?.place === place && pane.base.picture === picture) return pane.base.canvas;
  const base = pane.base?.canvas ?? document.createElement("canvas");
  if (base.width !== canvas.width) base.width = canvas.width;
  if (base.height !== canvas.height) base.height = canvas.height;
  const context = base.getContext("2d", { alpha: false });
  const [width, height] = [canvas.width * scale, canvas.height * scale];
  context.setTransform(1, 0, 0, 1, -x * width, -y * height);
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  context.drawImage(picture.bitmap, 0, 0, width, height);
  pane.base = { canvas: base, place, picture };
  return base;
}

function activeLayer(pane) {
  return pane.layers.find((layer) => layer.name === pane.active && layer.values) ?? null;
}

// One pixel per value, coloured through the table; the canvas is kept with the layer.
function layerRaster(layer) {
  if (layer.raster) return layer.raster;
  const [rows, columns] = layer.shape;
  const raster = document.createElement("canvas");
  raster.width = columns;
  raster.height = rows;
  const context = raster.getContext("2d");
  const image = context.createImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  const colours = new Uint32Array(layer.colours.slice().buffer);
  for (let i = 0; i < pixels.length; i += 1) pixels[i] = colours[layer.values[i]];
  context.putImageData(image, 0, 0);
  layer.raster = raster;
  return raster;
}

function paintLattice(state, pane, context, width, height) {
  const [rows, columns] = pane.grid;
  if (state.view.scale === 1 || width / columns < LATTICE_FROM * state.ratio) return;
  context.globalAlpha = 0.16;
  context.strokeStyle = "#fff";
  context.lineWidth = 1;
  context.beginPath();
  for (let column = 1; column < columns; column += 1) {
    const at = Math.round((column / columns) * width) + 0.5;
    context.moveTo(at, 0);
    context.lineTo(at, height);
  }
  for (let row = 1; row < rows; row += 1) {
    const at = Math.round((row / rows) * height) + 0.5;
    context.moveTo(0, at);
    context.lineTo(width, at);
  }
  context.stroke();
  context.globalAlpha = 1;
}
