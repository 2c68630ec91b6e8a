const STOPS = JSON.parse($("stops").textContent);
const COLOURS = { map: [255, 178, 36], mask: [255, 64, 129] };
const rows = [...document.querySelectorAll("#lesions tbody tr")];
let viewer = null;
let chosen = -1;
let waiting = false;
const slider = thresholdSlider($("stop"), STOPS.rules, ask);

function located(place) {
  const mm = [...place.mm].slice(0, 3).map((value) => value.toFixed(1));
  $("place").textContent = `${mm.join(", ")} mm`;
  document.body.dataset.place = mm.join(","); // for whoever drives the page
}

async function start() {
  const url = URL.createObjectURL(new Blob([await unpacked("niivue").text()], { type: "text/javascript" }));
  const { Niivue } = await import(url);
  URL.revokeObjectURL(url);
  const niivue = new Niivue({ backColor: [0, 0, 0, 1], crosshairColor: [0.35, 0.7, 1, 0.7], multiplanarShowRender: 0, dragAndDropEnabled: false, isColorbar: false, loadingText: "", onLocationChange: located });
  await niivue.attachToCanvas($("canvas"));
  for (const [name, [r, g, b]] of Object.entries(COLOURS)) niivue.addColormap(name, { R: [0, r], G: [0, g], B: [0, b], A: [0, 255], I: [0, 255] });
  niivue.setSliceType(niivue.sliceTypeMultiplanar);
  const layer = (name, id, more) => ({ url: bytes(id).buffer, name: `${name}.nii.gz`, ...more });
  await niivue.loadVolumes([
    layer("image", "volume-image", { colormap: "gray", cal_min: 0, cal_max: 255 }),
    layer("map", "volume-map", { colormap: "map", cal_min: STOPS.values.length / 2, cal_max: STOPS.values.length, opacity: 0.45 }),
    layer("mask", "volume-map", { colormap: "mask", cal_min: 0.5, cal_max: 1, opacity: 0.6 }),
  ]);
  return niivue;
}

// The mask of stop k is where the map reaches more than k stops
function show() {
  waiting = false;
  const { stop } = slider;
  const [, map, mask] = viewer.volumes;
  let voxels = 0;
  for (let i = 0; i < map.img.length; i += 1) {
    const inside = map.img[i] > stop;
    mask.img[i] = inside ? 1 : 0;
    voxels += inside;
  }
  viewer.setOpacity(1, $("show-map").checked ? 0.45 : 0);
  viewer.setOpacity(2, $("show-mask").checked ? 0.6 : 0);
  viewer.updateGLVolume();
  const rule = STOPS.rules[stop];
  const ml = voxels * STOPS.voxel_ml;
  $("ml").textContent = `${ml.toPrecision(4)} mL`;
  $("said").textContent = `${STOPS.values[stop].toPrecision(4)}${rule ? ` (${rule})` : ""}`;
  $("rules").value = rule ? String(stop) : "";
  Object.assign(document.body.dataset, { stop, voxels, ml, shown: "yes" }); // for whoever drives the page
}

function ask() {
  if (!viewer || waiting) return;
  waiting = true;
  requestAnimationFrame(show);
}

function visit(place) {
  if (!rows.length || !viewer) return;
  rows[chosen]?.classList.remove("current");
  chosen = (place + rows.length) % rows.length;
  rows[chosen].classList.add("current");
  rows[chosen].scrollIntoView({ block: "nearest" });
  viewer.scene.crosshairPos = viewer.mm2frac(rows[chosen].dataset.place.split(",").map(Number), 0, true); // true: oblique scans, too
  viewer.createOnLocationChange();
  viewer.drawScene();
  document.body.dataset.lesion = rows[chosen].cells[0].textContent;
}

function toggle(id) {
  $(id).checked = !$(id).checked;
  ask();
}

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
  const row = rows.indexOf(event.target);
  const actions = {
    ArrowLeft: () => slider.step(-1), ArrowRight: () => slider.step(1), "[": () => slider.calibrated(-1), "]": () => slider.calibrated(1),
    n: () => visit(chosen + 1), p: () => visit(chosen < 0 ? rows.length - 1 : chosen - 1), m: () => toggle("show-mask"), a: () => toggle("show-map"),
    ...(row >= 0 ? { Enter: () => visit(row) } : {}),
  };
  if (!actions[event.key]) return;
  event.preventDefault();
  actions[event.key]();
}

// `#stop=12`, `#rule=p95` and `#lesion=1` open the page in that state
function state() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  slider.rule(wanted.get("rule"));
  if (/^\d+$/.test(wanted.get("stop") ?? "")) slider.move(Number(wanted.get("stop")));
  if (waiting) show(); // a page that is not seen gets no animation frame
  if (/^\d+$/.test(wanted.get("lesion") ?? "")) visit(Number(wanted.get("lesion")) - 1);
}

$("stop").value = STOPS.start;
$("rules").append(new Option("calibrated…", ""), ...STOPS.rules.flatMap((rule, stop) => (rule ? [new Option(rule, String(stop))] : [])));
$("rules").addEventListener("change", (event) => { if (event.target.value) slider.move(Number(event.target.value)); event.target.blur(); });
for (const id of ["show-map", "show-mask"]) $(id).addEventListener("change", ask);
rows.forEach((row, place) => row.addEventListener("click", () => visit(place)));
document.addEventListener("keydown", key, true);
window.addEventListener("hashchange", state);
start().then((made) => {
  viewer = made;
  window.niivue = made;
  show();
  if (rows.length) visit(0);
  state();
});
