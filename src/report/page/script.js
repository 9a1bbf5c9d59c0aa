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

  // The forest plots of a table have its order, and the rows that the filter leaves; their axes move up with them. A
  // plot keeps its number of places, so rows move from one to another.
  const rooms = new WeakMap();
  const follow = (table) => {
    const plots = all(".forest svg[role]", table.closest(".view") ?? table);
    const rows = plots.flatMap((plot) => all("g[data-row]", plot));
    const lines = all("tr[data-row]", table);
    // A matrix of the rows has no lines of its own.
    if (lines.length === 0) return;
    const order = lines.map((line) => line.dataset.row);
    for (const row of rows) row.toggleAttribute("hidden", lines[order.indexOf(row.dataset.row)]?.hidden ?? false);
    const last = (row) => Number(row.hasAttribute("hidden"));
    rows.sort((one, other) =>
      last(one) - last(other) || order.indexOf(one.dataset.row) - order.indexOf(other.dataset.row));
    for (const plot of plots.filter((one) => !rooms.has(one))) {
      rooms.set(plot, { count: all("g[data-row]", plot).length, height: plot.viewBox.baseVal.height });
    }
    let first = 0;
    for (const plot of plots) {
      const { count, height } = rooms.get(plot);
      const step = Number(plot.dataset.step);
      const own = rows.slice(first, first + count);
      own.forEach((row, index) => row.setAttribute("transform", `translate(0 ${step * index})`));
      plot.append(...own);
      const shown = own.filter((row) => !last(row)).length;
      const gone = (count - shown) * step;
      plot.setAttribute("viewBox", `0 0 ${plot.viewBox.baseVal.width} ${height - gone}`);
      for (const text of all(":scope > text", plot)) text.setAttribute("transform", `translate(0 ${-gone})`);
      for (const line of all(":scope > line", plot)) line.setAttribute("y2", Number(plot.dataset.floor) - gone);
      const fold = plot.closest("details.plot");
      fold?.toggleAttribute("hidden", shown === 0);
      if (fold) fold.querySelector("summary").textContent = `Rows ${first + 1} to ${first + shown}`;
      first += count;
    }
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
