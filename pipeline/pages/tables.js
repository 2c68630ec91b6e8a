// Tables whose headings have a button are sorted by it; a second click turns the order
function sortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  const value = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim().replace("−", "-");
  const known = (text) => text !== "" && text !== "–";
  const sort = (column, sign) => {
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    const compare = (a, b) => {
      const [x, y] = [value(a, column), value(b, column)];
      if (!known(x) || !known(y)) return known(y) - known(x); // what is not known comes last, whatever the direction
      const [p, q] = [parseFloat(x.replace("[", "")), parseFloat(y.replace("[", ""))];
      return sign * (Number.isNaN(p) || Number.isNaN(q) ? x.localeCompare(y) : p - q);
    };
    table.tBodies[0].append(...[...table.tBodies[0].rows].sort(compare));
  };
  const turned = (column) => (heads[column].getAttribute("aria-sort") === "descending" ? 1 : -1);
  heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => sort(column, turned(column))));
  return (key, sign = 1) => {
    const column = heads.findIndex((head) => head.dataset.key === key);
    if (column >= 0) sort(column, sign);
  };
}
