// Similarities found in the browser: what the pixel under the cursor resembles, and whether its cycle closes.

let isLiveWanted = true; // a person's choice, for every page of this tab

async function decodeFeatures({ header, sections }) {
  const { dimensions, level, fidelity } = header;
  const sides = {};
  for (const side of SIDES) {
    const { query, key, isInteger, scales, offset } = header.sides[side];
    const numbers = (section, scale) => decodeNumbers(sections[section], isInteger, scale);
    const queries = numbers(query, scales[0]);
    sides[side] = {
      query: queries,
      key: key === query ? queries : numbers(key, scales[1]),
      offset: new Float32Array(sections[offset].slice().buffer),
    };
  }
  return { sides, dimensions, level, fidelity };
}

function decodeNumbers(bytes, isInteger, scale) {
  const { buffer } = bytes.slice(); // aligned
  if (!isInteger) return new Float32Array(buffer);
  const integers = new Int16Array(buffer);
  const values = new Float32Array(integers.length);
  for (let i = 0; i < integers.length; i += 1) values[i] = integers[i] * scale; // many times as fast as Float32Array.from
  return values;
}

const otherSide = (side) => (side === "source" ? "target" : "source");

// Similarity of one pixel to every pixel of the other side, and the place of the largest.
function similarityRow({ sides, dimensions }, side, index) {
  const { query, offset } = sides[side];
  const { key } = sides[otherSide(side)];
  const own = query.subarray(index * dimensions, (index + 1) * dimensions);
  const count = key.length / dimensions;
  const values = new Float32Array(count);
  let [best, low] = [0, Infinity];
  for (let i = 0, at = 0; i < count; i += 1) {
    let sum = offset[index];
    for (let d = 0; d < dimensions; d += 1, at += 1) sum += own[d] * key[at];
    values[i] = sum;
    if (sum > values[best]) best = i;
    if (sum < low) low = sum;
  }
  return { values, best, low, high: values[best] };
}

// What the pixel under the cursor shows; null while nothing is hovered, live maps are off or features are still on their way.
function findLive(state) {
  const spot = state.hover ?? state.cursor;
  if (!spot || !state.features || !isLiveWanted) return null;
  const { side, index } = spot;
  const { live, features } = state;
  const isMutual = Boolean(state.overlay?.isMutual);
  const isKnown = live && live.features === features && live.side === side && live.index === index;
  if (isKnown && live.isMutual === isMutual) return live;
  const row = similarityRow(features, side, index);
  const home = similarityRow(features, otherSide(side), row.best).best;
  const verdict = liveVerdict(state, side, index, home, isMutual);
  return { features, isMutual, side, index, row, match: row.best, home, verdict };
}

// A cycle is judged from a source pixel, by the labels of the source; with mutual association it must end where it began.
function liveVerdict(state, side, index, home, isMutual) {
  const { classIds } = state.panes.source.picture;
  if (side !== "source" || !classIds || classIds[index] === UNLABELLED) return "neutral";
  const closes = isMutual ? home === index : classIds[index] === classIds[home];
  return closes ? "consistent" : "inconsistent";
}

function updateLive(state) {
  const before = state.live ?? null;
  state.live = findLive(state);
  if (state.live === before) return;
  for (const side of SIDES) {
    const isTouched = [before, state.live].some((live) => live && otherSide(live.side) === side);
    if (isTouched) state.stale.add(side);
    showStatus(state, state.panes[side]);
    showLiveLegend(state, state.panes[side]);
  }
}

// The map under the cursor spans its own range: the legend tells that one while it is shown.
function showLiveLegend(state, pane) {
  const { live } = state;
  const isShown = Boolean(live) && live.side !== pane.side;
  const legends = pane.controls.querySelector(".li-legends");
  legends.classList.toggle("is-live", isShown);
  if (!isShown) return;
  const [low, , high] = legends.lastElementChild.children;
  const [first, last] = formatEnds(live.row.low, live.row.high);
  low.textContent = first;
  high.textContent = `${last} ${unitOf(live)}`;
}

// Both ends of a legend with as many decimals as each other, as `format_ends` of maps.py writes those of the pinned pixel.
function formatEnds(low, high, values = [low, high]) {
  const largest = Math.max(Math.abs(low), Math.abs(high));
  if (largest > 0 && largest < 0.01) return values.map((value) => value.toExponential(2).replaceAll("-", "−"));
  const decimals = largest >= 1000 ? 0 : largest >= 100 ? 1 : 3;
  const form = { minimumFractionDigits: decimals, maximumFractionDigits: decimals, signDisplay: "negative" };
  return values.map((value) => value.toLocaleString("en-US", form).replace("-", "−"));
}

function buildLiveLegend(state) {
  const colours = new Uint8Array(state.liveColours.buffer);
  return buildLegend({ ends: ["", ""], colours, swatches: [] });
}

// The heat map as a picture of one pixel per feature pixel, kept and painted over for every hover.
function liveRaster(state, pane) {
  const { row } = state.live;
  const [rows, columns] = pane.grid;
  const canvas = pane.liveCanvas ?? document.createElement("canvas");
  pane.liveCanvas = canvas;
  if (canvas.width !== columns) canvas.width = columns;
  if (canvas.height !== rows) canvas.height = rows;
  const context = canvas.getContext("2d");
  if (pane.liveImage?.width !== columns || pane.liveImage.height !== rows) pane.liveImage = context.createImageData(columns, rows);
  const pixels = new Uint32Array(pane.liveImage.data.buffer);
  const step = 255 / Math.max(row.high - row.low, 1e-12);
  const colours = state.liveColours;
  for (let i = 0; i < pixels.length; i += 1) pixels[i] = colours[((row.values[i] - row.low) * step + 0.5) | 0];
  context.putImageData(pane.liveImage, 0, 0);
  return canvas;
}

function drawLive(context, state) {
  const { live } = state;
  if (!live) return;
  const away = otherSide(live.side);
  const ink = INK[live.verdict];
  const start = { side: live.side, index: live.index };
  const match = { side: away, index: live.match };
  const home = { side: live.side, index: live.home };
  const isHome = live.home === live.index;
  drawLiveLink(context, state, start, match, ink, []);
  drawLiveLink(context, state, match, home, ink, [DOT, 4.5]);
  drawLiveSpot(context, state, match, ink);
  if (!isHome) drawLiveSpot(context, state, home, ink);
}

function drawLiveLink(context, state, from, to, ink, dash) {
  const [start, end] = [linkEnd(state, from), linkEnd(state, to)];
  const points = visiblePart(bentCurve(start, end, 0.16, state.room), start, end);
  if (points.length < 4) return;
  context.globalAlpha = start.isVisible && end.isVisible ? 0.95 : 0.5;
  strokeWithHalo(context, ink, dash.length ? 2.4 : 1.8, () => tracePoints(context, points), dash); // dots need more ink
  context.globalAlpha = 1;
}

function drawLiveSpot(context, state, { side, index }, ink) {
  const cell = cellBox(state, state.panes[side], index);
  if (!cell.isVisible) return;
  strokeCell(context, cell, ink, 1.4);
  strokeWithHalo(context, ink, 1.6, () => {
    context.beginPath();
    context.arc(cell.centre.x, cell.centre.y, Math.max(7, Math.hypot(cell.width, cell.height) / 2 + 2), 0, 2 * Math.PI);
    context.stroke();
  });
}

// Of the features that it was found in: those of the state are null while others are on their way.
const unitOf = (live) => (live.features.level === "feature" ? "cosine" : "−KL");

function describeLive(state, pane) {
  const { live } = state;
  if (!live || live.side === pane.side) return "";
  return `most similar: ${describePlace(pane, live.match)} · ${unitOf(live)} ${formatEnds(live.row.low, live.row.high)[1]}`;
}

// --- the switch and its fidelity -------------------------------------------------------------------------------

function connectLive(state) {
  state.bar.querySelector("[data-do=live]").onclick = () => toggleLive(state);
  showLive(state);
}

function toggleLive(state) {
  if (!state.features) return;
  isLiveWanted = !isLiveWanted;
  showLive(state);
  updateLive(state);
  requestPaint(state, "wires");
}

function showLive(state) {
  const button = state.bar.querySelector("[data-do=live]");
  button.disabled = !state.features;
  button.setAttribute("aria-pressed", String(Boolean(state.features) && isLiveWanted));
  const told = state.features ? `Under the cursor, computed in the browser: ${state.features.fidelity}` : "";
  state.root.querySelector(".li-fidelity").textContent = told;
  state.root.dataset.live = String(Boolean(state.features));
}

async function loadFeatures(state, hash) {
  if (state.featuresHash === hash) return;
  state.featuresHash = hash;
  state.features = null;
  if (hash) {
    const features = await stores.features.request(hash);
    if (state.featuresHash !== hash || state.isGone) return;
    state.features = features;
  }
  showLive(state);
  requestPaint(state, "panes");
}
