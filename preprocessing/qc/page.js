"use strict";
const $ = (id) => document.getElementById(id);
const list = $("list");
const cards = [...list.querySelectorAll("article")];
const rateable = cards.filter((card) => card.dataset.state !== "failed");
const WORDS = { 1: "good", 2: "doubtful", 3: "exclude", 0: "" };
const COLOURS = { brain: [255, 213, 74], lesion: [255, 82, 140] };
let current = null;
let unsaved = false;
let viewer = null;

// Ratings: kept by the browser for this data set until they are saved as a file
const KEY = `lesionless-qc-${document.body.dataset.hash}`;

function remember() {
  const ratings = Object.fromEntries(rateable.map((card) => [card.dataset.id, card.dataset.rating]));
  try { localStorage.setItem(KEY, JSON.stringify(ratings)); } catch { /* private windows have no storage */ }
}

function recall() {
  let kept = {};
  try { kept = JSON.parse(localStorage.getItem(KEY)) || {}; } catch { /* nothing was kept */ }
  for (const card of rateable) {
    const rating = kept[card.dataset.id];
    if (rating === undefined || rating === card.dataset.rating || !Object.values(WORDS).includes(rating)) continue;
    card.dataset.rating = rating;
    unsaved = true;
  }
}

function showRatings() {
  for (const card of rateable) card.querySelector(".rating").textContent = card.dataset.rating;
  const count = (word) => rateable.filter((card) => card.dataset.rating === word).length;
  $("counted").textContent = `Rated: ${count("good")} good, ${count("doubtful")} doubtful, ${count("exclude")} exclude; ${count("")} not rated.`;
  $("save").classList.toggle("unsaved", unsaved);
}

function rate(word) {
  if (!current || current.dataset.state === "failed") return;
  current.dataset.rating = word;
  unsaved = true;
  remember();
  showRatings();
}

function save() {
  const rated = rateable.filter((card) => card.dataset.rating).sort((a, b) => (a.dataset.id < b.dataset.id ? -1 : 1));
  const lines = ["id\trating", ...rated.map((card) => `${card.dataset.id}\t${card.dataset.rating}`)];
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/tab-separated-values" }));
  link.download = document.body.dataset.file;
  link.click();
  URL.revokeObjectURL(link.href);
  unsaved = false;
  showRatings();
}

// Order and filter
function order() {
  const key = $("sort").value;
  const sign = $("reverse").getAttribute("aria-pressed") === "true" ? -1 : 1;
  const value = (card) => card.dataset[key];
  const compare = (a, b) => {
    if (key === "id") return value(a) < value(b) ? -1 : 1;
    const [x, y] = [value(a), value(b)];
    if (!x || !y) return !x - !y; // not recorded: last, whatever the direction
    return sign * (Number(x) - Number(y));
  };
  const failed = cards.filter((card) => card.dataset.state === "failed");
  const others = [...rateable].sort(compare);
  if (key === "id" && sign < 0) others.reverse();
  list.prepend(...failed, ...others);
}

function filter() {
  const wanted = $("filter").value;
  for (const card of cards) {
    const { state, rating } = card.dataset;
    const rated = state !== "failed" && (rating || "unrated");
    card.hidden = !(wanted === "all" || wanted === state || wanted === rated);
  }
  $("nothing").hidden = cards.some((card) => !card.hidden);
}

function select(card) {
  if (!card) return;
  current?.classList.remove("current");
  current = card;
  card.classList.add("current");
  card.scrollIntoView({ block: "nearest" });
  if (!$("viewer").hidden) open();
}

function step(by) {
  const shown = [...list.querySelectorAll("article:not([hidden])")];
  const place = shown.indexOf(current);
  select(shown[place < 0 ? 0 : Math.min(Math.max(place + by, 0), shown.length - 1)]);
}

// Viewer: NiiVue lies in the page as base64, the volumes of a scan in a script beside it, which is read when it is opened
const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const arrived = new Map();
window.received = (name, volumes) => arrived.set(name, volumes);

async function volumesOf(card) {
  const name = card.dataset.volumes;
  if (!arrived.has(name)) {
    const script = Object.assign(document.createElement("script"), { src: `qc/${name}.js` });
    await new Promise((loaded, failed) => { Object.assign(script, { onload: loaded, onerror: failed }); document.head.append(script); });
    script.remove();
  }
  return arrived.get(name);
}

async function start() {
  const unpacked = new Response(new Blob([bytes($("niivue").textContent)]).stream().pipeThrough(new DecompressionStream("gzip")));
  const url = URL.createObjectURL(new Blob([await unpacked.text()], { type: "text/javascript" }));
  const { Niivue } = await import(url);
  URL.revokeObjectURL(url);
  const made = new Niivue({ backColor: [0, 0, 0, 1], crosshairColor: [0.35, 0.7, 1, 0.7], show3Dcrosshair: true, multiplanarShowRender: 1, dragAndDropEnabled: false, isColorbar: false, loadingText: "" });
  await made.attachToCanvas($("canvas"));
  for (const [name, [r, g, b]] of Object.entries(COLOURS)) made.addColormap(name, { R: [0, r], G: [0, g], B: [0, b], A: [0, 255], I: [0, 255] });
  return made;
}

async function open() {
  if (!current || current.dataset.state === "failed") return;
  const card = current;
  $("viewer").hidden = false;
  $("split").classList.add("open");
  card.scrollIntoView({ block: "nearest" });
  $("opened").textContent = card.dataset.id;
  const has = (role) => card.dataset.roles.split(" ").includes(role);
  $("ground").options[0].disabled = !has("head");
  if (!has("head")) $("ground").value = "prepared";
  const wanted = [[$("ground").value, "gray", true], ["brain", "brain", $("mask").checked], ["lesion", "lesion", $("lesions").checked]];
  let found;
  try { found = await volumesOf(card); } catch { $("opened").textContent = `${card.dataset.id}: its volumes are not in the folder qc beside this page`; return; }
  const volumes = wanted.filter(([role, , shown]) => shown && has(role)).map(([role, colormap], layer) => ({
    url: bytes(found[role]).buffer, name: `${role}.nii.gz`, colormap,
    ...(layer ? { cal_min: 0.5, cal_max: 1, opacity: Number($("opacity").value) } : { cal_min: 0, cal_max: 255, opacity: 1 }),
  }));
  viewer ??= start();
  const niivue = await viewer;
  if (card !== current) return; // the next scan was chosen meanwhile
  const slices = { multi: niivue.sliceTypeMultiplanar, axial: niivue.sliceTypeAxial, coronal: niivue.sliceTypeCoronal, sagittal: niivue.sliceTypeSagittal, render: niivue.sliceTypeRender };
  niivue.setSliceType(slices[$("view").value]);
  await niivue.loadVolumes(volumes);
  $("canvas").dataset.shown = card.dataset.id; // for whoever drives the page
  window.niivue = niivue;
}

function close() {
  $("viewer").hidden = true;
  $("split").classList.remove("open");
  current?.scrollIntoView({ block: "nearest" });
}

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || ["SELECT", "INPUT"].includes(event.target.tagName)) return;
  const actions = {
    ArrowDown: () => step(1), ArrowRight: () => step(1), ArrowUp: () => step(-1), ArrowLeft: () => step(-1),
    Enter: () => { if (event.target.tagName !== "BUTTON") open(); }, Escape: close,
  };
  const action = event.key in WORDS ? () => rate(WORDS[event.key]) : actions[event.key];
  if (!action) return;
  if (event.key !== "Enter") event.preventDefault();
  action();
}

document.addEventListener("keydown", key, true);
for (const card of rateable) {
  card.addEventListener("click", () => { select(card); open(); });
  card.addEventListener("focus", () => select(card));
}
$("sort").addEventListener("change", order);
$("reverse").addEventListener("click", (event) => {
  const button = event.currentTarget;
  button.setAttribute("aria-pressed", button.getAttribute("aria-pressed") !== "true");
  order();
});
$("filter").addEventListener("change", filter);
$("show-brain").addEventListener("change", (event) => document.body.classList.toggle("no-brain", !event.target.checked));
$("show-edges").addEventListener("change", (event) => document.body.classList.toggle("no-edges", !event.target.checked));
for (const id of ["ground", "view", "mask", "lesions", "opacity"]) $(id).addEventListener("change", () => { open(); $(id).blur(); });
$("save").addEventListener("click", save);
$("close").addEventListener("click", close);
window.addEventListener("beforeunload", (event) => { if (unsaved) event.preventDefault(); });
recall();
showRatings();
filter();
