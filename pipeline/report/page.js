// Tables are sorted and taken away as CSV, pictures as files
const cell = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const slug = (text) => text.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 60);

function take(label, act) {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "take", textContent: label, onclick: act });
  return button;
}

for (const table of document.querySelectorAll("main section:not(#look) table")) {
  sortable(table);
  const csv = () => [...table.rows].map((row) => [...row.cells].map((one) => cell(one.textContent)).join(",")).join("\n") + "\n";
  table.caption.append(take("CSV", () => save(new Blob([csv()], { type: "text/csv" }), `${slug(table.closest("section").id)}.csv`)));
}

for (const figure of document.querySelectorAll("figure")) {
  const image = figure.querySelector("img");
  const kind = /^data:image\/(\w+)/.exec(image.src)[1];
  figure.prepend(take(kind.toUpperCase(), () => save(image.src, `${slug(image.alt.split(/[:.]/)[0])}.${kind}`)));
}
