// Thousands of thin lines in a picture of their own. It is drawn a few milliseconds a frame, so that moving never waits for it:
// panning shifts the picture that is there, and the new one takes its place when it is whole.

const LINES_BUDGET_MS = 7; // of one frame
const LINES_A_STROKE = 24; // overlapping strokes add up, the lines of one stroke do not
const BUNDLING = 0.45; // how far a line leans towards the middle of its colour

function readLines(lines, sections) {
  if (!lines) return null;
  const indices = (name) => new Uint32Array(sections[lines[name]].slice().buffer);
  const read = { ...lines, source: indices("source"), target: indices("target"), colours: sections[lines.colours] };
  read.order = spreadOrder(read.source.length);
  read.byPixel = { source: groupBy(read.source), target: groupBy(read.target) };
  return read;
}

// A fixed shuffle: a picture in the making already shows all of it, thinly.
function spreadOrder(count) {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  let seed = 1;
  for (let i = count - 1; i > 0; i -= 1) {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    const j = seed % (i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

function groupBy(pixels) {
  const groups = new Map();
  pixels.forEach((pixel, line) => groups.set(pixel, [...(groups.get(pixel) ?? []), line]));
  return groups;
}

function paintLines(state, context) {
  const { lines } = state.overlay;
  if (!lines?.source.length) return;
  const picture = (state.linesPicture ??= { front: null, back: null });
  const wanted = linesPlace(state);
  if (!isSamePlace(picture.front, wanted) && !isSamePlace(picture.back, wanted)) startLines(picture, state, wanted);
  if (picture.back) continueLines(picture, state);
  const shown = chooseLines(picture, wanted);
  if (!shown) return;
  const [dx, dy] = linesShift(state, shown, wanted);
  context.save();
  clipToStage(context, state);
  context.globalAlpha = focusLines(state).length ? 0.3 : 1;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.drawImage(shown.canvas, Math.round(dx * state.ratio), Math.round(dy * state.ratio));
  context.restore();
  drawFocusLines(context, state);
}

// Where the lines would lie: the part of the images in view and the boxes of both panes.
function linesPlace(state) {
  const { x, y, scale } = state.view;
  const boxes = SIDES.map((side) => Object.values(state.panes[side].box).map(Math.round)).join();
  return { lines: state.overlay.lines, x, y, scale, layout: `${scale} ${boxes} ${state.ratio}` };
}

const isSamePlace = (picture, place) =>
  Boolean(picture) && picture.lines === place.lines && picture.layout === place.layout && picture.x === place.x && picture.y === place.y;

// After a pan the whole old picture, shifted; after a zoom or a change of lines the new one as far as it goes.
function chooseLines({ front, back }, place) {
  if (front && front.lines === place.lines && front.layout === place.layout) return front;
  return back ?? front;
}

// Both panes pan together: while their boxes stay, every line moves by the same amount.
function linesShift(state, shown, place) {
  const { width, height } = state.panes.source.box;
  return [(shown.x - place.x) * place.scale * width, (shown.y - place.y) * place.scale * height];
}

function startLines(picture, state, place) {
  const canvas = picture.spare ?? document.createElement("canvas");
  picture.spare = null;
  resizeCanvas(canvas, state.room.width * state.ratio, state.room.height * state.ratio);
  const context = canvas.getContext("2d");
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.setTransform(state.ratio, 0, 0, state.ratio, 0, 0);
  if (picture.back) picture.spare = picture.back.canvas;
  picture.back = { ...place, canvas, context, next: 0, groups: visibleGroups(state, place) };
}

// Lines with both ends in view, by colour, as coordinates; each colour knows its middle.
function visibleGroups(state, { lines }) {
  const groups = new Map();
  for (const line of lines.order) {
    const ends = lineEnds(state, lines, line);
    if (!ends) continue;
    const colour = lines.colours[line];
    if (!groups.has(colour)) groups.set(colour, { colour, lines: [], x: 0, y: 0 });
    const group = groups.get(colour);
    group.lines.push(ends);
    group.x += (ends.from.x + ends.to.x) / 2;
    group.y += (ends.from.y + ends.to.y) / 2;
  }
  const strokes = [];
  for (const group of groups.values()) {
    const middle = { x: group.x / group.lines.length, y: group.y / group.lines.length };
    for (let i = 0; i < group.lines.length; i += LINES_A_STROKE) {
      strokes.push({ colour: group.colour, middle, lines: group.lines.slice(i, i + LINES_A_STROKE), place: i / group.lines.length });
    }
  }
  return strokes.sort((a, b) => a.place - b.place); // colours take turns: none lies on top of all others
}

function lineEnds(state, lines, line) {
  const from = cellBox(state, state.panes.source, lines.source[line]);
  if (!from.isVisible) return null;
  const to = cellBox(state, state.panes.target, lines.target[line]);
  return to.isVisible ? { from: from.centre, to: to.centre } : null;
}

function continueLines(picture, state) {
  const { back } = picture;
  const { context, groups, lines } = back;
  const until = performance.now() + LINES_BUDGET_MS;
  context.lineWidth = 1;
  context.globalAlpha = lines.opacity;
  while (back.next < groups.length && performance.now() < until) {
    const { colour, middle, lines: ends } = groups[back.next];
    back.next += 1;
    context.strokeStyle = `rgb(${lines.swatches[colour][1].join(" ")})`;
    context.beginPath();
    for (const end of ends) addBundled(context, end, middle);
    context.stroke();
  }
  if (back.next < groups.length) {
    requestPaint(state, "wires");
    return;
  }
  picture.spare = picture.front?.canvas ?? picture.spare;
  picture.front = back;
  picture.back = null;
  state.root.dataset.lines = String(groups.reduce((sum, group) => sum + group.lines.length, 0));
}

function addBundled(context, { from, to }, middle) {
  const lean = (a, b, centre) => (a + b) / 2 + BUNDLING * (centre - (a + b) / 2);
  context.moveTo(from.x, from.y);
  context.quadraticCurveTo(lean(from.x, to.x, middle.x), lean(from.y, to.y, middle.y), to.x, to.y);
}

function clipToStage(context, state) {
  context.beginPath();
  const boxes = SIDES.map((side) => state.panes[side].box);
  const left = Math.min(...boxes.map((box) => box.left));
  const top = Math.min(...boxes.map((box) => box.top));
  const right = Math.max(...boxes.map((box) => box.left + box.width));
  const bottom = Math.max(...boxes.map((box) => box.top + box.height));
  context.rect(left, top, right - left, bottom - top);
  context.clip();
}

// Lines of the pixel under the cursor; without one, of the pixel that is pinned.
function focusLines(state) {
  const { lines, markers } = state.overlay;
  if (!lines) return [];
  const spot = state.hover ?? state.cursor ?? markers.find(({ kind }) => kind === "query");
  return (spot && lines.byPixel[spot.side].get(spot.index)) ?? [];
}

function drawFocusLines(context, state) {
  const { lines } = state.overlay;
  for (const line of focusLines(state)) {
    const ends = lineEnds(state, lines, line);
    if (!ends) continue;
    const ink = `rgb(${lines.swatches[lines.colours[line]][1].join(" ")})`;
    strokeWithHalo(context, ink, 1.8, () => {
      context.beginPath();
      addBundled(context, ends, { x: (ends.from.x + ends.to.x) / 2, y: (ends.from.y + ends.to.y) / 2 });
      context.stroke();
    });
  }
}
