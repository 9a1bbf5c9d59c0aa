// Everything here is a convenience: the page is complete without it.
(() => {
  "use strict";
  // The milliseconds after which a page of running work is no news any more.
  const PATIENCE = 10 * 60 * 1000;
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  document.documentElement.classList.add("scripted");

  // A click on a heading sorts, a second one turns the order round, a third one restores the sweep's own order.
  const ways = { number: ["descending", "ascending"], text: ["ascending", "descending"] };
  const key = (row, column, kind) => {
    const cell = row.children[column];
    if (kind === "text") return cell.textContent;
    return cell.dataset.value === undefined ? null : Number(cell.dataset.value);
  };
  const compare = (one, other, sign) => {
    if (one === null || other === null) return (one === null) - (other === null);
    return sign * (typeof one === "string" ? one.localeCompare(other) : one - other);
  };
  for (const head of all("th[data-sorts]")) {
    const table = head.closest("table");
    const bodies = [...table.tBodies].map((body) => ({ body, rows: all("tr:not(.group)", body) }));
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const kind = head.dataset.sorts;
      const next = ways[kind][ways[kind].indexOf(head.getAttribute("aria-sort")) + 1];
      for (const other of all("th[aria-sort]", table)) other.removeAttribute("aria-sort");
      if (next) head.setAttribute("aria-sort", next);
      const sign = next === "descending" ? -1 : 1;
      for (const { body, rows } of bodies) {
        const order = [...rows];
        if (next) order.sort((one, other) =>
          compare(key(one, head.cellIndex, kind), key(other, head.cellIndex, kind), sign));
        body.append(...order);
      }
      follow(table);
    });
  }

  // The forest plot has the order of its table, and the rows that the filter leaves; its axis moves up with them.
  const heights = new WeakMap();
  const follow = (table) => {
    const forest = table.closest(".view")?.querySelector(".forest svg");
    if (!forest) return;
    const rows = all("g[data-row]", forest);
    const height = (row) => Number(row.getAttribute("transform").match(/[\d.]+\)/)[0].slice(0, -1));
    const places = rows.map(height).sort((one, other) => one - other);
    const lines = all("tr[data-row]", table);
    const order = lines.map((line) => line.dataset.row);
    for (const row of rows) row.toggleAttribute("hidden", lines[order.indexOf(row.dataset.row)]?.hidden ?? false);
    const last = (row) => Number(row.hasAttribute("hidden"));
    rows.sort((one, other) =>
      last(one) - last(other) || order.indexOf(one.dataset.row) - order.indexOf(other.dataset.row));
    rows.forEach((row, index) => row.setAttribute("transform", `translate(0 ${places[index]})`));
    if (!heights.has(forest)) heights.set(forest, forest.viewBox.baseVal.height);
    const gone = rows.filter(last).length * Number(forest.dataset.step);
    const whole = heights.get(forest);
    forest.setAttribute("viewBox", `0 0 ${forest.viewBox.baseVal.width} ${whole - gone}`);
    for (const text of all(":scope > text", forest)) text.setAttribute("transform", `translate(0 ${-gone})`);
    for (const line of all(":scope > line", forest)) line.setAttribute("y2", Number(forest.dataset.floor) - gone);
  };

  for (const button of all("button.copy")) {
    const label = button.textContent;
    button.addEventListener("click", async () => {
      const source = document.getElementById(button.dataset.copies);
      try {
        await navigator.clipboard.writeText(source.textContent);
        button.textContent = "Copied";
        setTimeout(() => { button.textContent = label; }, 2000);
      } catch {
        // The browser refuses: the reader copies the chosen text.
        const dialog = document.getElementById("refused");
        const text = dialog.querySelector("textarea");
        text.value = source.textContent;
        dialog.showModal();
        text.focus();
        text.select();
      }
    });
  }

  for (const choice of all("select.metric")) {
    choice.addEventListener("change", () => {
      const views = choice.closest("section").querySelectorAll(".view");
      for (const view of views) view.hidden = view.dataset.view !== choice.value;
    });
  }

  const filter = document.getElementById("filter");
  filter?.addEventListener("input", () => {
    const part = filter.value.toLowerCase();
    for (const table of all("table.results")) {
      for (const row of all("tr[data-row]", table)) {
        row.hidden = !row.firstElementChild.textContent.toLowerCase().includes(part);
      }
      follow(table);
    }
  });

  // A page of running work reads itself again, but not while somebody is using it.
  const refresh = document.querySelector("meta[http-equiv=refresh]");
  if (refresh) {
    const wait = Number(refresh.content) * 1000;
    refresh.remove();
    const opened = () => document.querySelectorAll("details[open], dialog[open]").length;
    const before = opened();
    const busy = () => document.activeElement !== document.body || !getSelection().isCollapsed || opened() !== before;
    // Work that was killed leaves its last page. The time is that of the file: its bytes have none.
    const written = new Date(document.lastModified);
    const old = document.createElement("p");
    old.className = "stale";
    old.setAttribute("role", "status");
    document.querySelector("main .state")?.after(old);
    const age = () => {
      if (Date.now() - written < PATIENCE || old.textContent) return;
      old.textContent = `No news since ${written.toLocaleString()}: the work may have been stopped. ` +
        "In a terminal, harness status tells more.";
    };
    age();
    setInterval(() => { age(); if (!busy()) location.reload(); }, wait);
  }

  const help = document.getElementById("help");
  const step = (way) => {
    const sections = all("main > section");
    const now = sections.findLastIndex((one) => one.getBoundingClientRect().top < 40);
    sections[Math.min(Math.max(now + way, 0), sections.length - 1)].scrollIntoView();
  };
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input[type=search], select, textarea");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "?") help.showModal();
    else if (event.key === "/") { event.preventDefault(); filter?.focus(); }
  });
})();
