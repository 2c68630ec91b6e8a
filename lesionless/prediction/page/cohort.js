"use strict";
const table = document.getElementById("scans");
const heads = [...table.tHead.rows[0].cells];

function sort(column) {
  const head = heads[column];
  const sign = head.getAttribute("aria-sort") === "descending" ? 1 : -1;
  heads.forEach((other) => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
  const value = (row) => row.cells[column].dataset.value;
  const compare = (a, b) => {
    const [x, y] = [value(a), value(b)];
    if (!x || !y) return !x - !y; // what is not known comes last, whatever the direction
    const [p, q] = [Number(x), Number(y)];
    return sign * (Number.isNaN(p) || Number.isNaN(q) ? x.localeCompare(y) : p - q);
  };
  table.tBodies[0].append(...[...table.tBodies[0].rows].sort(compare));
}

heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => sort(column)));
const wanted = heads.findIndex((head) => head.dataset.key === location.hash.slice(1));
if (wanted >= 0) sort(wanted);
