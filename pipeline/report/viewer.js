// One scan through one method or two: slices, a slider over thresholds, and figures counted by Python
const look = $("look");
const MASK = [230, 159, 0];
const LABEL = "#56b4e9";
const kept = new Map(); // volumes that were unpacked
let DATA = null;
let scans = null; // sorts the table of scans
let scan = 0;
const panels = [];

async function volume(id) {
  if (!$(id)) return null;
  if (!kept.has(id)) kept.set(id, new Uint8Array(await unpacked(id).arrayBuffer()));
  return kept.get(id);
}

// The slices of an image, which lie side by side in one picture
async function image(id) {
  const { shape } = DATA.scans[scan];
  if (!$(id)) return null;
  if (!kept.has(id)) {
    const [slices, rows, columns] = shape;
    const bitmap = await createImageBitmap(new Blob([bytes(id)], { type: "image/webp" }));
    const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    const across = bitmap.width / columns;
    const grey = new Uint8Array(slices * rows * columns);
    for (let z = 0; z < slices; z += 1) {
      const part = context.getImageData((z % across) * columns, Math.floor(z / across) * rows, columns, rows).data;
      for (let i = 0; i < rows * columns; i += 1) grey[z * rows * columns + i] = part[4 * i];
    }
    kept.set(id, grey);
  }
  return kept.get(id);
}

const said = (value, digits = 3) => (value === null || Number.isNaN(value) ? "–" : value.toFixed(digits));
const ml = (voxels, index) => voxels * (DATA.scans[index].voxel_ml ?? NaN);

// What `Confusion.dice` is in Python: an empty mask of an empty label has 1
function dice({ tp, fp, lesion }) {
  return tp + fp + lesion === 0 ? 1 : (2 * tp) / (tp + fp + lesion);
}

class Panel {
  constructor(id) {
    this.root = $(id);
    this.canvas = this.root.querySelector("canvas");
    this.canvas.addEventListener("wheel", (event) => { event.preventDefault(); slice(Math.sign(event.deltaY)); }, { passive: false });
  }

  choose(index) {
    this.index = index;
    this.root.hidden = index === null;
    if (index === null) return;
    const method = this.method;
    this.root.querySelector(".title").textContent = method.title;
    this.root.querySelector(".kind").textContent = `${method.kind}, seed ${method.seed}`;
    this.slider = thresholdSlider(this.root.querySelector(".stop"), method.rules, () => { $("rule").value = method.rules[this.slider.stop]; refresh(); });
    const [low, , high] = this.root.querySelectorAll(".ends span");
    [low.textContent, high.textContent] = [method.low, method.high].map((end) => end.toPrecision(3));
    const steps = DATA.colours.filter((_, level) => level % 17 === 0).map((colour) => `rgb(${colour})`);
    this.root.querySelector(".bar").style.background = `linear-gradient(90deg, ${steps})`;
    this.root.querySelector(".stop").value = Math.max(method.rules.indexOf(DATA.rule), 0);
  }

  get method() { return DATA.methods[this.index]; }
  get stop() { return this.slider.stop; }
  get place() { return Math.min(Math.max((this.method.stops[this.stop] - this.method.low) / (this.method.high - this.method.low), 0), 1); }

  counts(index = scan) {
    const counted = this.method.counts[index];
    return counted && { tp: counted.tp[this.stop], fp: counted.fp[this.stop], lesion: counted.lesion };
  }

  pooled() {
    const sum = { tp: 0, fp: 0, lesion: 0 };
    for (const index of DATA.scans.keys()) for (const [key, value] of Object.entries(this.counts(index) ?? {})) sum[key] += value;
    return dice(sum);
  }

  async load() {
    if (this.index === null) return;
    const asked = `${scan}-${this.index}`;
    const found = await Promise.all([image(`image-${scan}`), volume(`marks-${scan}`), volume(`map-${asked}`)]);
    if (asked === `${scan}-${this.index}`) [this.image, this.marks, this.map] = found; // else another was chosen meanwhile
  }

  write() {
    const counted = this.counts();
    const set = (name, text) => { this.root.querySelector(name).textContent = text; };
    const rule = this.method.rules[this.stop];
    set("output", `${this.method.stops[this.stop].toPrecision(4)}${rule ? ` (${rule})` : ""}`);
    set(".dice", counted ? said(dice(counted)) : "–");
    set(".ml", counted ? `${said(ml(counted.tp + counted.fp, scan), 2)} mL` : "–");
    set(".false", counted ? `${said(ml(counted.fp, scan), 2)} mL` : "–");
    set(".pooled", said(this.pooled()));
    this.root.querySelector(".bar i").style.left = `${100 * this.place}%`;
  }

  draw(z) {
    const { clientWidth, clientHeight } = this.canvas;
    const ratio = window.devicePixelRatio || 1;
    Object.assign(this.canvas, { width: clientWidth * ratio, height: clientHeight * ratio });
    const context = this.canvas.getContext("2d");
    const shape = DATA.scans[scan].shape;
    if (!shape) {
      context.fillStyle = "#b4b7bd";
      context.font = `${14 * ratio}px sans-serif`;
      context.fillText("This page has no picture of this scan.", 12 * ratio, 24 * ratio);
      return;
    }
    const [, rows, columns] = shape;
    const scale = Math.min(this.canvas.width / columns, this.canvas.height / rows);
    const mirrored = $("radiological").checked;
    context.translate((this.canvas.width - columns * scale) / 2, (this.canvas.height - rows * scale) / 2);
    context.save();
    context.transform(mirrored ? -scale : scale, 0, 0, scale, mirrored ? columns * scale : 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.pixels(z, rows, columns), 0, 0);
    const at = z * rows * columns;
    const draw = (inside, colour) => outline(context, (row, column) => inside(at + row * columns + column), rows, columns, colour, (2 * ratio) / scale);
    if ($("show-map").checked && $("show-mask").checked && this.map) draw((i) => this.map[i] > this.stop, "#ffffff");
    if ($("show-label").checked) draw((i) => this.marks[i] & 2, LABEL);
    context.restore();
    context.fillStyle = "#ffffff";
    context.font = `bold ${13 * ratio}px sans-serif`;
    context.textBaseline = "middle";
    for (const [side, x] of [["L", mirrored ? columns : 0], ["R", mirrored ? 0 : columns]]) {
      context.textAlign = x ? "right" : "left";
      context.fillText(side, x * scale + (x ? -4 : 4) * ratio, (rows * scale) / 2);
    }
  }

  pixels(z, rows, columns) {
    const picture = new OffscreenCanvas(columns, rows);
    const context = picture.getContext("2d");
    const data = context.createImageData(columns, rows);
    const { stops, low, high } = this.method;
    const colour = (level) => DATA.colours[Math.round(255 * Math.min(Math.max(((level ? stops[level - 1] : low) - low) / (high - low || 1), 0), 1))];
    for (let i = 0, at = z * rows * columns; i < rows * columns; i += 1, at += 1) {
      let shown = [this.image[at], this.image[at], this.image[at]];
      if (this.map && this.marks[at]) {
        if ($("show-map").checked) shown = colour(this.map[at]);
        else if ($("show-mask").checked && this.map[at] > this.stop) shown = shown.map((grey, k) => 0.35 * grey + 0.65 * MASK[k]);
      }
      data.data.set([...shown, 255], 4 * i);
    }
    context.putImageData(data, 0, 0);
    return picture;
  }
}

// The outline of what is inside, along the edges of its pixels
function outline(context, inside, rows, columns, strokeStyle, lineWidth) {
  const marked = (row, column) => row >= 0 && column >= 0 && row < rows && column < columns && inside(row, column);
  const sides = [[-1, 0, 0, 0, 1, 0], [1, 0, 0, 1, 1, 1], [0, -1, 0, 0, 0, 1], [0, 1, 1, 0, 1, 1]];
  context.beginPath();
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      if (!marked(row, column)) continue;
      for (const [down, right, x, y, toX, toY] of sides) {
        if (marked(row + down, column + right)) continue;
        context.moveTo(column + x, row + y);
        context.lineTo(column + toX, row + toY);
      }
    }
  }
  Object.assign(context, { strokeStyle, lineWidth });
  context.stroke();
}

const shown = () => panels.filter((panel) => panel.index !== null);

// Figures now, pictures with the next frame
let waiting = false;
function refresh() {
  for (const panel of shown()) panel.write();
  list();
  const [first] = shown();
  const counted = first.counts() ?? { tp: NaN, fp: NaN, lesion: NaN };
  // for whoever drives the page
  Object.assign(document.body.dataset, { scan: DATA.scans[scan].id, method: first.method.id, beside: panels[1].method?.id ?? "", slice: $("slice").value, stop: first.stop, dice: dice(counted), voxels: counted.tp + counted.fp, ml: ml(counted.tp + counted.fp, scan) });
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; paint(); });
}

function paint() {
  $("height").textContent = `${Number($("slice").value) + 1} of ${Number($("slice").max) + 1}`;
  for (const panel of shown()) panel.draw(Number($("slice").value));
  document.body.dataset.painted = `${document.body.dataset.scan} ${$("slice").value}`;
}

async function open(index) {
  scan = index;
  const { shape, slice: start } = DATA.scans[scan];
  $("scan").value = scan;
  $("slice").max = shape ? shape[0] - 1 : 0;
  $("slice").value = start;
  await Promise.all(panels.map((panel) => panel.load()));
  if (scan === index) refresh();
}

async function choose(panel, index) {
  panel.choose(index);
  offer();
  await panel.load();
  refresh();
}

// Rules that every method on show has
function offer() {
  const rules = shown().map((panel) => new Set(panel.method.rules.filter(Boolean)));
  const common = [...rules[0]].filter((rule) => rules.every((others) => others.has(rule)));
  $("rule").replaceChildren(new Option("own", ""), ...common.map((rule) => new Option(rule === "oracle" ? "oracle (has seen the test labels)" : rule, rule)));
}

function slice(by) {
  $("slice").value = Number($("slice").value) + by;
  refresh();
}

// The table of scans: figures follow the threshold, order and choice follow the filter
const FILTERS = { all: ["scan", 1], worst: ["dice", 1], smallest: ["lesion", 1], false: ["false", -1] };

function wanted(index) {
  const filter = $("filter").value;
  const counted = panels[0].counts(index);
  if (filter === "all" || !counted) return filter === "all";
  return filter === "false" ? counted.lesion === 0 && counted.fp > 0 : counted.lesion > 0;
}

function list() {
  const rows = [...$("list").querySelectorAll("tbody tr")];
  $("list").classList.toggle("one", panels[1].index === null);
  for (const row of rows) {
    const index = Number(row.dataset.index);
    const figures = panels.flatMap((panel) => {
      const counted = panel.index === null ? null : panel.counts(index);
      return counted ? [dice(counted), ml(counted.fp, index)] : [null, null];
    });
    figures.forEach((value, column) => {
      row.cells[column + 2].textContent = said(value, column % 2 ? 2 : 3);
      row.cells[column + 2].dataset.value = value === null || Number.isNaN(value) ? "" : value;
    });
    row.hidden = !wanted(index);
    row.classList.toggle("current", index === scan);
  }
  $("counted").textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length}`;
}

function fill() {
  for (const [index, { id }] of DATA.scans.entries()) {
    $("scan").append(new Option(id, index));
    const row = $("list").querySelector("tbody").insertRow();
    row.dataset.index = index;
    const head = document.createElement("th");
    Object.assign(head, { scope: "row", className: "text", textContent: id });
    row.append(head);
    for (let column = 0; column < 5; column += 1) row.insertCell();
    const lesion = DATA.methods.map((method) => method.counts[index]).find(Boolean).lesion;
    row.cells[1].textContent = said(ml(lesion, index), 2);
    row.addEventListener("click", () => open(index));
  }
  for (const [index, { title, kind }] of DATA.methods.entries()) {
    for (const id of ["method", "beside"]) $(id).append(new Option(kind === "learned" ? title : `${title} (${kind})`, index));
  }
  scans = sortable($("list").querySelector("table"));
}

function visit(by) {
  const rows = [...$("list").querySelectorAll("tbody tr:not([hidden])")];
  const place = rows.findIndex((row) => Number(row.dataset.index) === scan);
  const row = rows[(place + by + rows.length) % rows.length];
  if (row) open(Number(row.dataset.index));
}

function toggle(id) {
  $(id).checked = !$(id).checked;
  refresh();
}

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
  const panel = panels.find((one) => one.root.contains(event.target)) ?? panels[0];
  const actions = {
    n: () => visit(1), p: () => visit(-1), "[": () => panel.slider.calibrated(-1), "]": () => panel.slider.calibrated(1),
    a: () => toggle("show-map"), m: () => toggle("show-mask"), l: () => toggle("show-label"),
    ...(event.target.tagName === "INPUT" ? {} : { ArrowLeft: () => panel.slider.step(-1), ArrowRight: () => panel.slider.step(1), ArrowUp: () => slice(1), ArrowDown: () => slice(-1) }),
  };
  if (!actions[event.key]) return;
  event.preventDefault();
  actions[event.key]();
}

function picture() {
  const views = shown().map((panel) => panel.canvas);
  const whole = new OffscreenCanvas(views.reduce((width, view) => width + view.width, 0), views[0].height);
  const context = whole.getContext("2d");
  views.reduce((x, view) => { context.drawImage(view, x, 0); return x + view.width; }, 0);
  whole.convertToBlob().then((blob) => save(blob, `${DATA.scans[scan].id}_${shown().map((panel) => panel.method.id).join("_")}.png`));
}

async function start() {
  DATA = JSON.parse(await unpacked("viewer-data").text());
  look.hidden = false;
  panels.push(new Panel("first"), new Panel("second"));
  fill();
  panels[0].choose(0);
  panels[1].choose(null);
  offer();
  const number = (text) => (text === "" ? null : Number(text));
  $("scan").addEventListener("change", () => open(Number($("scan").value)));
  $("method").addEventListener("change", () => choose(panels[0], number($("method").value)));
  $("beside").addEventListener("change", () => choose(panels[1], number($("beside").value)));
  $("rule").addEventListener("change", () => { const rule = $("rule").value; for (const panel of shown()) panel.slider.rule(rule); });
  $("slice").addEventListener("input", refresh);
  for (const id of ["show-map", "show-mask", "show-label", "radiological"]) $(id).addEventListener("change", refresh);
  $("filter").addEventListener("change", () => { list(); scans(...FILTERS[$("filter").value]); });
  $("picture").addEventListener("click", picture);
  look.addEventListener("keydown", key);
  window.addEventListener("resize", refresh);
  const lesions = DATA.scans.map((_, index) => panels[0].counts(index)?.lesion ?? 0);
  await open(lesions.indexOf(Math.max(...lesions)));
}

if (look) start();
