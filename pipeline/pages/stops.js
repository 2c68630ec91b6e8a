// A slider over thresholds, ascending; the calibrated ones among them have a rule, the others an empty text
function thresholdSlider(input, rules, changed) {
  const last = rules.length - 1;
  const slider = {
    get stop() { return Number(input.value); },
    move(stop) { input.value = Math.min(Math.max(stop, 0), last); changed(); },
    step(by) { slider.move(slider.stop + by); },
    rule(name) { if (rules.includes(name)) slider.move(rules.indexOf(name)); },
    calibrated(by) {
      const stops = rules.map((rule, stop) => (rule ? stop : -1)).filter((stop) => stop >= 0);
      const next = by > 0 ? stops.find((stop) => stop > slider.stop) : stops.reverse().find((stop) => stop < slider.stop);
      if (next !== undefined) slider.move(next);
    },
  };
  const marks = document.createElement("datalist"); // the slider is drawn to its marks
  marks.id = `${input.id || input.closest("[id]").id}-marks`;
  marks.append(...rules.flatMap((rule, stop) => (rule ? [new Option(rule, stop)] : [])));
  $(marks.id)?.remove();
  input.after(marks);
  input.setAttribute("list", marks.id);
  input.min = 0;
  input.max = last;
  input.oninput = changed;
  return slider;
}
