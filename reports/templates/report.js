"use strict";
(function () {
  var root = document.documentElement, button = document.getElementById("theme");
  var asked = /[?&#]theme=(dark|light)/.exec(location.search + location.hash);
  function dark() {
    return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }
  function label() { button.textContent = dark() ? "Light" : "Dark"; }
  if (asked) root.dataset.theme = asked[1];
  button.hidden = false;
  button.addEventListener("click", function () { root.dataset.theme = dark() ? "light" : "dark"; label(); });
  label();

  /* A header sorts its table: columns of text by what they say, others by data-v or the number they show, missing
     values last. */
  function key(row, column, text) {
    var cell = row.cells[column], shown = cell ? cell.textContent : "";
    if (text) return shown;
    if (cell && cell.dataset.v !== undefined) return parseFloat(cell.dataset.v);
    return parseFloat(shown.replace(/\u2212/g, "-").replace(/[\u202f\s(]/g, ""));
  }
  function compare(a, b, sign) {
    var missing = (a !== a ? 1 : 0) - (b !== b ? 1 : 0);
    if (missing || a !== a) return missing;
    return sign * (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b)));
  }
  function sort(header, column, table) {
    var body = table.tBodies[0], rows = Array.prototype.slice.call(body.rows);
    var text = header.classList.contains("text"), sign = header.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    var keyed = rows.map(function (row, i) { return { row: row, at: i, key: key(row, column, text) }; });
    keyed.sort(function (a, b) { return compare(a.key, b.key, sign) || a.at - b.at; });
    keyed.forEach(function (k) { body.appendChild(k.row); });
    Array.prototype.forEach.call(header.parentNode.cells, function (cell) { cell.removeAttribute("aria-sort"); });
    header.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
  }
  document.querySelectorAll("table.sorts").forEach(function (table) {
    Array.prototype.forEach.call(table.tHead.rows[0].cells, function (header, column) {
      header.tabIndex = 0;
      header.title = (header.title ? header.title + ". " : "") + "Click to sort";
      header.addEventListener("click", function () { sort(header, column, table); });
      header.addEventListener("keydown", function (e) { if (e.key === "Enter") sort(header, column, table); });
    });
  });

  /* What a link leads to must be visible: open folded lists, show hidden columns. */
  function reveal() {
    var target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (var e = target; e; e = e.parentElement) {
      if (e.tagName === "DETAILS") e.open = true;
      if (e.classList.contains("sheet") && target.classList.contains("more")) e.querySelector(".all").checked = true;
    }
    if (target) target.scrollIntoView({ block: "center", inline: "center" });
  }
  addEventListener("hashchange", reveal);
  reveal();
})();
