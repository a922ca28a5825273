"use strict";
(() => {
  const table = document.getElementById("table");
  const body = table.tBodies[0];
  const said = document.getElementById("said");
  const search = document.getElementById("search");
  const band = document.getElementById("band");
  const rows = [...body.rows];
  const texts = new Map(rows.map((row) => {
    const filter = document.getElementById("f" + row.dataset.row);
    return [row, (row.textContent + " " + filter.querySelector("dl").textContent).toLowerCase()];
  }));

  // Search and threshold hide rows, and the explanations with them.
  function narrow() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const least = Number(band.value);
    let shown = 0;
    for (const row of rows) {
      const fits = Number(row.dataset.score) >= least && words.every((w) => texts.get(row).includes(w));
      row.hidden = !fits;
      document.getElementById("f" + row.dataset.row).hidden = !fits;
      shown += fits;
    }
    document.getElementById("nothing").hidden = shown > 0;
    said.textContent = `${shown} of ${rows.length} filters`;
  }
  search.addEventListener("input", narrow);
  band.addEventListener("change", narrow);

  // Numbers begin with the largest, names with A. What a row does not have comes last.
  function sort(button) {
    const th = button.closest("th");
    const key = button.dataset.key;
    const text = key === "name" || key === "user";
    const before = th.getAttribute("aria-sort");
    const down = before === "none" ? !text : before === "ascending";
    for (const other of table.tHead.querySelectorAll("th")) other.setAttribute("aria-sort", "none");
    th.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = (row) => text ? row.dataset[key] : Number(row.dataset[key] ?? -1);
    const order = (a, b) => text ? value(a).localeCompare(value(b)) : value(a) - value(b);
    const sorted = [...rows].sort((a, b) => (down ? -1 : 1) * order(a, b) || a.dataset.row - b.dataset.row);
    body.append(...sorted);
    said.textContent = `sorted by ${button.textContent}, ${down ? "descending" : "ascending"}`;
  }
  for (const button of table.tHead.querySelectorAll("button")) button.addEventListener("click", () => sort(button));

  // A cell's link opens its reason where one is; without this script it leads there.
  const why = document.getElementById("why");
  body.addEventListener("click", (event) => {
    const link = event.target.closest(".cell a");
    if (!link) return;
    event.preventDefault();
    const reason = document.getElementById(link.getAttribute("href").slice(1));
    const copy = reason.cloneNode(true);
    copy.removeAttribute("id");
    document.getElementById("whytitle").textContent = link.closest("tr").dataset.name;
    document.getElementById("whybody").replaceChildren(copy);
    why.showModal();
    document.getElementById("whytitle").focus(); // not the button, which the same key would press
  });
  why.addEventListener("click", (event) => { if (event.target === why) why.close(); });

  // Arrow keys go from cell to cell.
  body.addEventListener("keydown", (event) => {
    const cell = event.target.closest(".cell");
    if (!cell) return;
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    let row = cell.parentElement;
    let column = cell.cellIndex;
    for (;;) {
      column += step[0];
      if (step[1]) row = step[1] > 0 ? row.nextElementSibling : row.previousElementSibling;
      if (!row || column < 0 || column >= row.cells.length) return;
      const link = !row.hidden && row.cells[column].querySelector("a");
      if (link) { link.focus(); return; }
    }
  });

  // A link to a filter opens it.
  function unfold() {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const filter = target && target.closest("details");
    if (filter) { filter.open = true; target.scrollIntoView(); }
  }
  // What somebody has folded away is printed all the same.
  addEventListener("beforeprint", () => { for (const d of document.querySelectorAll("details")) d.open = true; });
  addEventListener("hashchange", unfold);
  unfold();
})();
