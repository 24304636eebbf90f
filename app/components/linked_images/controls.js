// Everything around the canvases: titles, layer buttons, legends, slider, zoom buttons, key help, spoken text.
// Text from Python enters the page through textContent only.

const HELP = [
  ["click · Enter", "trace this feature pixel"],
  ["arrows", "move by one (Shift: eight)"],
  ["wheel · + −", "zoom both images"],
  ["drag", "pan"],
  ["double click · 0", "whole image"],
  ["1 – 9", "layer of this image on or off"],
  ["Shift-drag", "choose the pixels of a rectangle", "takesRegions"], // only where somebody listens
  ["L", "similarity under the cursor on or off"],
  ["Z", "back to the pixel pinned before"],
  ["Esc", "clear"],
];

const UNLABELLED = 255;
const MAIN_KINDS = new Set(["query", "match", "return"]);

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function showTitles(state) {
  for (const side of SIDES) {
    const pane = state.panes[side];
    pane.title.querySelector(".li-name").textContent = pane.picture.title;
    pane.title.querySelector(".li-name").title = pane.picture.title;
    pane.title.querySelector(".li-size").textContent = `${pane.grid[0]} × ${pane.grid[1]} feature pixels`;
    pane.frame.style.setProperty("--aspect", pane.size[1] / pane.size[0]);
    pane.canvas.setAttribute(
      "aria-label",
      `${side} image: ${pane.picture.title}. Arrows move the cursor, Enter traces the pixel, question mark lists keys.`,
    );
  }
}

// --- layers ----------------------------------------------------------------------------------------------------

function showLayers(state, pane) {
  const choice = pane.controls.querySelector(".li-choice");
  choice.setAttribute("aria-label", `Layer over the ${pane.side} image`);
  const entries = [{ name: null, title: "None" }, ...pane.layers];
  choice.replaceChildren(
    ...(pane.layers.length ? entries : []).map((entry) => {
      const button = element("button", "", entry.title);
      button.type = "button";
      button.dataset.text = entry.title;
      button.disabled = entry.values === null;
      button.title = entry.reason ?? "";
      button.onclick = () => chooseLayer(state, pane, entry.name);
      return button;
    }),
  );
  pane.controls.querySelector(".li-legends").replaceChildren(...pane.layers.map(buildLegend), buildLiveLegend(state));
  markLayer(pane);
  showLiveLegend(state, pane);
}

function markLayer(pane) {
  const names = [null, ...pane.layers.map((layer) => layer.name)];
  const buttons = pane.controls.querySelectorAll(".li-choice button");
  buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(names[i] === pane.active)));
  const legends = pane.controls.querySelectorAll(".li-legend");
  legends.forEach((legend, i) => legend.classList.toggle("is-shown", names[i + 1] === pane.active));
}

function chooseLayer(state, pane, name) {
  if (pane.active === name) return;
  pane.active = name;
  pane.chosen.set(state.overlay.scene, name);
  keepLayer(state, pane);
  markLayer(pane);
  showStatus(state, pane);
  requestPaint(state, "panes");
  if (state.overlay.reportsLayer) state.send("layer", { side: pane.side, name, serial: nextSerial(state) });
}

// All legends share one place and only one is visible: switching never moves the page.
function buildLegend(layer) {
  const legend = element("div", "li-legend");
  if (layer.ends) {
    const bar = element("span", "li-ramp");
    bar.style.background = `linear-gradient(to right, ${rampStops(layer.colours)})`;
    legend.append(element("span", "", layer.ends[0]), bar, element("span", "", layer.ends[1]));
  }
  for (const [label, colour] of layer.swatches) {
    const entry = element("span", "li-entry");
    const swatch = element("span", "li-swatch");
    swatch.style.background = `rgb(${colour.map(Number).join(" ")})`;
    entry.append(swatch, element("span", "", label));
    legend.append(entry);
  }
  return legend;
}

function rampStops(colours) {
  const stops = [];
  for (let value = 0; value <= 255; value += 15) stops.push(`rgb(${colours.subarray(4 * value, 4 * value + 3).join(" ")})`);
  return stops.join(", ");
}

// --- status line and spoken text -------------------------------------------------------------------------------

function showStatus(state, pane) {
  const spot = [state.hover, state.cursor].find((other) => other?.side === pane.side);
  const text = spot ? describePixel(pane, spot.index) : describeLive(state, pane) || describeMarkers(state, pane);
  if (pane.status.textContent !== text) pane.status.textContent = text;
}

function describeMarkers(state, pane) {
  const marked = state.overlay.markers.filter((marker) => marker.side === pane.side && MAIN_KINDS.has(marker.kind));
  if (!state.overlay.markers.some(({ kind }) => kind !== "probe")) return "Click a pixel to trace it";
  return marked.map(({ label, index }) => `${label} ${describePlace(pane, index)}`.trim()).join("     ");
}

function describePixel(pane, index) {
  const [row, column] = rowAndColumn(pane, index);
  const layer = activeLayer(pane);
  return [describePlace(pane, index), layer && describeValue(pane, layer, row, column)].filter(Boolean).join(" · ");
}

function describePlace(pane, index) {
  const [row, column] = rowAndColumn(pane, index);
  const place = `row ${row}, col ${column}`;
  const { classIds, classNames } = pane.picture;
  if (!classIds) return place;
  const id = classIds[index];
  return `${place} · ${id === UNLABELLED ? "unlabelled" : (classNames[id] ?? `class ${id}`)}`;
}

function describeValue(pane, layer, row, column) {
  const [rows, columns] = layer.shape;
  const y = Math.floor(((row + 0.5) / pane.grid[0]) * rows);
  const x = Math.floor(((column + 0.5) / pane.grid[1]) * columns);
  const value = layer.values[y * columns + x];
  if (layer.names.length) return `${layer.title}: ${layer.names[value] ?? "none"}`;
  if (!layer.range || layer.colours[4 * value + 3] === 0) return "";
  const [low, high] = layer.range;
  return `${layer.title} ${formatEnds(low, high, [low + (value / 255) * (high - low)])[0]}`;
}

// A screen reader hears where the cursor rests, not each pixel on the way.
function speakSoon(state, pane, index) {
  clearTimeout(state.speech);
  state.speech = setTimeout(() => {
    state.spoken.textContent = `${pane.side}: ${describePixel(pane, index)}`;
  }, 250);
}

// --- the bar below ---------------------------------------------------------------------------------------------

function showZoom(state) {
  const { scale } = state.view;
  state.bar.querySelector(".li-zoom output").textContent = `${scale < 9.95 ? scale.toFixed(1) : Math.round(scale)}×`;
  state.bar.querySelector("[data-do=reset]").disabled = scale === 1;
  state.bar.querySelector("[data-do=out]").disabled = scale === 1;
  state.bar.querySelector("[data-do=in]").disabled = scale >= maximalScale(state);
  for (const side of SIDES) state.panes[side].canvas.classList.toggle("is-zoomed", scale > 1);
}

function setOpacity(state, opacity) {
  state.opacity = opacity;
  state.bar.querySelector("input").value = String(Math.round(opacity * 100));
  state.bar.querySelector(".li-opacity output").textContent = `${Math.round(opacity * 100)} %`;
  requestPaint(state, "panes");
}

function connectBar(state) {
  const slider = state.bar.querySelector("input");
  slider.oninput = () => {
    setOpacity(state, Number(slider.value) / 100);
    keepOpacity(state);
  };
  const actions = {
    in: () => zoomAbout(state, 0.5, 0.5, 1.5),
    out: () => zoomAbout(state, 0.5, 0.5, 1 / 1.5),
    reset: () => resetView(state),
    help: () => toggleHelp(state),
  };
  for (const button of state.bar.querySelectorAll("[data-do]")) button.onclick = actions[button.dataset.do];
}

function showHelp({ help, overlay }) {
  const rows = HELP.filter(([, , only]) => !only || overlay[only]);
  help.replaceChildren(...rows.flatMap(([keys, meaning]) => [element("b", "", keys), element("span", "", meaning)]));
}

function toggleHelp(state, isOpen = state.help.hidden) {
  state.help.hidden = !isOpen;
  state.bar.querySelector("[data-do=help]").setAttribute("aria-expanded", String(isOpen));
}

// Names the line styles and colours in use, and only those.
function showKey(state) {
  const { links } = state.overlay;
  const entries = [];
  for (const [kind, label] of [["forward", "forward"], ["backward", "return"], ["candidate", "candidate"], ["claim", "claim"], ["lead", "would return"]]) {
    const link = links.find((other) => other.kind === kind);
    if (link) entries.push(keyEntry(label, STROKES[kind], STROKES[kind].dash[agreement(link)]));
  }
  for (const [isConsistent, label] of [[true, "cycle-consistent"], [false, "not cycle-consistent"]]) {
    if (!links.some((link) => !NEUTRAL_KINDS.has(link.kind) && link.consistent === isConsistent)) continue;
    const entry = element("span", "li-entry");
    const swatch = element("span", "li-swatch");
    swatch.style.background = INK[isConsistent ? "consistent" : "inconsistent"];
    entry.append(swatch, element("span", "", state.overlay.lines ? `pinned: ${label}` : label));
    entries.push(entry);
  }
  entries.push(...lineEntries(state.overlay.lines));
  const key = state.bar.querySelector(".li-key");
  key.replaceChildren(...entries);
  if (entries.length) key.classList.add("is-used");
}

// Colours of the thin lines that are there, with how many each has.
function lineEntries(lines) {
  if (!lines) return [];
  const counts = new Map();
  for (const colour of lines.colours) counts.set(colour, (counts.get(colour) ?? 0) + 1);
  return [...counts].sort(([a], [b]) => a - b).map(([colour, count]) => {
    const [label, rgb] = lines.swatches[colour];
    const entry = element("span", "li-entry");
    const swatch = element("span", "li-swatch");
    swatch.style.background = `rgb(${rgb.map(Number).join(" ")})`;
    entry.append(swatch, element("span", "", `${label} ${count}`));
    return entry;
  });
}

function keyEntry(label, stroke, dash) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
  svg.setAttribute("viewBox", "0 0 30 8");
  const attributes = { x1: 2, x2: 28, y1: 4, y2: 4, stroke: "currentColor", "stroke-width": stroke.width * 0.8 };
  attributes["stroke-dasharray"] = dash.map((part) => part * 0.7).join(" ");
  for (const [name, value] of Object.entries(attributes)) line.setAttribute(name, value);
  line.setAttribute("stroke-linecap", "round");
  svg.append(line);
  const entry = element("span", "li-entry");
  entry.append(svg, element("span", "", label));
  return entry;
}
