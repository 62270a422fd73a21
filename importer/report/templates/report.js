"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const PAGE = 25;

  // Numbers and times as the reader writes them; the title of a time keeps UTC.
  for (const place of all("[data-n]")) place.textContent = Number(place.dataset.n).toLocaleString();
  for (const place of all("time")) {
    const moment = new Date(place.dateTime);
    if (!Number.isNaN(moment.getTime())) place.textContent = moment.toLocaleString();
  }

  const copy = async (text, button) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    const before = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = before), 1500);
  };
  for (const button of all("[data-copy]")) {
    button.addEventListener("click", () => copy(document.getElementById(button.dataset.copy).textContent, button));
  }

  const keyOf = (row, column) => {
    const cell = row.cells[column];
    const key = cell.dataset.key ?? cell.textContent;
    return key !== "" && !Number.isNaN(Number(key)) ? Number(key) : key;
  };
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
  const sort = (table, column, head) => {
    const down = head.ariaSort === "ascending";
    for (const other of all("th[aria-sort]", table)) other.removeAttribute("aria-sort");
    head.ariaSort = down ? "descending" : "ascending";
    const body = table.tBodies[0];
    const rows = [...body.rows].sort((a, b) => compare(keyOf(a, column), keyOf(b, column)) * (down ? -1 : 1));
    body.append(...rows);
  };
  for (const button of all("[data-sort]")) {
    button.addEventListener("click", () => {
      sort(button.closest("table"), Number(button.dataset.sort), button.closest("th"));
      show();
    });
  }

  const form = document.querySelector("form.filter");
  let page = 0;
  const fits = (place) => {
    const words = form.elements.text.value.toLowerCase();
    return (
      ["attribute", "stage", "reason"].every((name) => {
        const wanted = form.elements[name].value;
        return wanted === "" || place.dataset[name] === wanted;
      }) && (words === "" || place.textContent.toLowerCase().includes(words))
    );
  };
  const rows = () => all("#examples tbody tr").filter(fits);
  const show = () => {
    if (!form) return;
    let groups = 0;
    for (const group of all("details.group")) {
      group.hidden = !fits(group);
      groups += group.hidden ? 0 : 1;
    }
    const found = rows();
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    page = Math.min(Math.max(page, 0), pages - 1);
    for (const row of all("#examples tbody tr")) row.hidden = true;
    for (const row of found.slice(page * PAGE, (page + 1) * PAGE)) row.hidden = false;
    form.querySelector(".found").textContent =
      `${groups.toLocaleString()} groups, ${found.length.toLocaleString()} example rows`;
    document.querySelector(".page").textContent = `Page ${page + 1} of ${pages}`;
    for (const button of all("[data-page]")) {
      button.disabled = button.dataset.page === "-1" ? page === 0 : page === pages - 1;
    }
  };

  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const asCsv = () => {
    const head = all("#examples thead th").map((cell) => cell.textContent.trim());
    const lines = rows().map((row) => [...row.cells].map((cell) => quoted(cell.textContent)).join(","));
    return [head.join(","), ...lines, ""].join("\n");
  };
  const download = () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([asCsv()], { type: "text/csv" }));
    link.download = "rejects-filtered.csv";
    link.click();
    URL.revokeObjectURL(link.href);
  };

  if (form) {
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => {
      page = 0;
      show();
    });
    for (const button of all("[data-page]")) {
      button.addEventListener("click", () => {
        page += Number(button.dataset.page);
        show();
      });
    }
    document.querySelector("[data-copy-rows]").addEventListener("click", (event) => copy(asCsv(), event.currentTarget));
    document.querySelector("[data-download]").addEventListener("click", download);
    show();
  }
})();
