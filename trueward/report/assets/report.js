// Draws every plot from the JSON beside it; colours of text and grid come from the style sheet.
for (const plot of document.querySelectorAll(".plot")) {
  const figure = JSON.parse(plot.nextElementSibling.textContent);
  Plotly.newPlot(plot, figure.data, figure.layout, { displayModeBar: false, responsive: true });
}

// Makes every table of two rows or more sortable: a button in each column's head.
const valueOf = (row, column) => {
  const cell = row.cells[column];
  const words = (cell.querySelector(".mean") ?? cell).textContent.trim();
  const found = words.replace(/\u2212/g, "-").replace(/,(?=\d{3})/g, "").match(/^[+-]?\d*\.?\d+(e[+-]?\d+)?/i);
  return { words, number: found ? Number(found[0]) : null };
};
const compare = (a, b) => {
  const missing = (words) => words === "\u2013" || words === "";
  if (missing(a.words) || missing(b.words)) return 0;
  const both = a.number !== null && b.number !== null;
  return both ? a.number - b.number : a.words.localeCompare(b.words, undefined, { numeric: true });
};
const sort = (table, column, direction) => {
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => ({ row, value: valueOf(row, column) }));
  const last = (one) => (one.value.words === "\u2013" || one.value.words === "" ? 1 : 0);
  rows.sort((a, b) => last(a) - last(b) || direction * compare(a.value, b.value));
  body.append(...rows.map((one) => one.row));
};
for (const table of document.querySelectorAll("table")) {
  if (table.tBodies[0].rows.length < 2) continue;
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      // numbers begin with the largest, words with the first letter
      const numeric = [...table.tBodies[0].rows].some((row) => valueOf(row, column).number !== null);
      const order = { ascending: "descending", descending: "ascending" };
      const next = order[head.getAttribute("aria-sort")] ?? (numeric && column ? "descending" : "ascending");
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", next);
      sort(table, column, next === "ascending" ? 1 : -1);
    });
  });
}
