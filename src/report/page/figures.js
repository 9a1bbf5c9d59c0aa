// What a reader does with figures: rows and means of curves, and a figure as a file.
(() => {
  "use strict";
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // The places of the points of a line of the data in its panel.
  const places = (data, panel, values) => {
    const [left, right, bottom, top] = data.frame;
    const [first, last] = panel.steps;
    const points = [];
    for (let at = 0; at < values.length; at += 2) {
      const x = left + (values[at] - first) / (last - first) * (right - left);
      const y = bottom + values[at + 1] / data.units * (top - bottom);
      points.push(`${x.toFixed(1)} ${y.toFixed(1)}`);
    }
    return points;
  };
  const line = (data, panel, values) => `M${places(data, panel, values).join("L")}`;

  // The shapes on a line: on all of few points, else on some, which no line of another colour has.
  const marks = ({ marks: { shapes, every, some } }, slot, points) => {
    const [own, all] = [2 * (slot % shapes.length) + 1, 2 * shapes.length];
    const at = (mark) => Math.floor((mark * all + own) * points.length / (some * all));
    const chosen = points.length <= every ? points : [...Array(some).keys()].map((mark) => points[at(mark)]);
    return chosen.map((point) => `M${point}${shapes[slot % shapes.length]}`).join("");
  };

  // The means over `width` neighbours; at the ends there are fewer.
  const means = (values, width) => {
    const found = [];
    const [count, half] = [values.length / 2, (width - 1) / 2];
    for (let at = 0; at < count; at += 1) {
      const near = Math.min(half, at, count - 1 - at);
      let sum = 0;
      for (let other = at - near; other <= at + near; other += 1) sum += values[2 * other + 1];
      found.push(values[2 * at], sum / (2 * near + 1));
    }
    return found;
  };

  for (const choice of all("fieldset[data-curves]")) {
    const figures = all("g.lines", choice.closest("section"));
    const data = JSON.parse(document.getElementById(choice.dataset.curves).textContent);
    const smooth = choice.querySelector("select.smooth");
    const of = (place, row) => data.panels[place].series.find((one) => String(one.row) === row);
    const shape = (name, look, path) => {
      const found = document.createElementNS(figures[0].namespaceURI, name);
      found.setAttribute("class", look);
      if (path) found.setAttribute("d", path);
      return found;
    };

    // Rows that are not drawn yet are drawn from the data.
    const drawn = (lines, place, row) => {
      const series = of(place, row);
      if (!series) return null;
      const slot = data.order.indexOf(series.row);
      const rounds = data.marks.shapes.length;
      const group = shape("g", `c${slot % rounds}`);
      group.dataset.row = row;
      const title = shape("title", "");
      title.textContent = series.label;
      const points = places(data, data.panels[place], series.points);
      const look = Math.floor(slot / rounds) % 2 ? "marks hollow" : "marks";
      group.append(title, shape("path", "line", `M${points.join("L")}`), shape("path", look, marks(data, slot, points)));
      lines.append(group);
      return group;
    };

    // Means stand before their raw lines, which stay faint. The words say how wide they are.
    const average = () => {
      const width = Number(smooth.value);
      const wide = new Set();
      figures.forEach((lines, place) => {
        lines.classList.toggle("averaged", width > 1);
        for (const old of all("path.mean", lines)) old.remove();
        if (width === 1) return;
        for (const group of all("g[data-row]", lines)) {
          const values = of(place, group.dataset.row)?.means;
          if (!values || values.length < 4) continue;
          wide.add(Math.round((values.at(-2) - values[0]) / (values.length / 2 - 1) * width));
          group.append(shape("path", "line mean", line(data, data.panels[place], means(values, width))));
        }
      });
      const steps = [...wide].sort((one, other) => one - other);
      const words = steps.length > 1 ? `${steps[0]} to ${steps.at(-1)}` : steps[0];
      choice.querySelector("output").textContent = width === 1 ? ""
        : `Strong lines: means over ${width} points, about ${words} steps, and over fewer at the ends. Faint: as measured.`;
    };

    choice.addEventListener("change", (event) => {
      const { row } = event.target.dataset;
      if (event.target === smooth) average();
      if (row === undefined) return;
      figures.forEach((lines, place) => {
        const own = lines.querySelector(`g[data-row="${row}"]`) ?? drawn(lines, place, row);
        if (own) own.style.display = event.target.checked ? "" : "none";
      });
      if (smooth.value !== "1") average();
    });
  }

  // A figure as a file of its own: its drawings as they look now, with their places.
  const LOOK = ["fill", "fill-opacity", "fill-rule", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray",
    "stroke-linecap", "stroke-linejoin", "vector-effect", "paint-order", "opacity", "font-family", "font-size", "font-weight",
    "text-anchor", "dominant-baseline", "image-rendering"];
  const DROPPED = ["class", "id", "tabindex", "aria-labelledby", "aria-describedby", "data-row"];
  const copied = (source) => {
    if (source.nodeType !== Node.ELEMENT_NODE) return source.cloneNode();
    if (source.localName === "title") return source.cloneNode(true);
    const look = getComputedStyle(source);
    if (look.display === "none") return null;
    if (source.localName === "use") return copied(document.querySelector(source.getAttribute("href")));
    // Links lead to places of this page.
    const copy = source.localName === "a" ? document.createElementNS(source.namespaceURI, "g") : source.cloneNode();
    for (const name of DROPPED) copy.removeAttribute(name);
    copy.setAttribute("style", LOOK.map((name) => `${name}:${look.getPropertyValue(name)}`).join(";"));
    for (const child of source.childNodes) {
      const inner = copied(child);
      if (inner) copy.append(inner);
    }
    return copy;
  };
  const saved = (figure) => {
    const drawings = all("svg[role]", figure).filter((one) => one.getBoundingClientRect().width > 0);
    const places = drawings.map((one) => one.getBoundingClientRect());
    const [left, top] = [Math.min(...places.map((one) => one.left)), Math.min(...places.map((one) => one.top))];
    const whole = document.createElementNS(drawings[0].namespaceURI, "svg");
    const size = [Math.max(...places.map((one) => one.right)) - left, Math.max(...places.map((one) => one.bottom)) - top];
    whole.setAttribute("viewBox", `0 0 ${size.map((one) => one.toFixed(1)).join(" ")}`);
    whole.setAttribute("style", `background:${getComputedStyle(document.body).backgroundColor}`);
    drawings.forEach((one, at) => {
      const copy = copied(one);
      const { x, y, width, height } = places[at];
      const box = { x: x - left, y: y - top, width, height };
      for (const [name, value] of Object.entries(box)) copy.setAttribute(name, value.toFixed(1));
      whole.append(copy);
    });
    return new XMLSerializer().serializeToString(whole);
  };
  for (const figure of all("figure")) {
    const caption = figure.querySelector("figcaption");
    if (!caption || !figure.querySelector("svg[role]")) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "svg script";
    button.title = "Save this figure as an SVG file";
    button.textContent = "SVG";
    button.addEventListener("click", () => {
      const link = document.createElement("a");
      link.download = `${caption.id || "figure"}.svg`;
      link.href = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(saved(figure))}`;
      link.click();
    });
    caption.append(" ", button);
  }
})();
