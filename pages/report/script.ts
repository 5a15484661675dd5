import { BARS_SCRIPT } from "./bars_script.ts";
import { COPY_SCRIPT } from "./copy_script.ts";
import { figureButtons } from "./text.ts";

/**
 * The script of a page: plain JavaScript for a function's body, which uses no network. Its data are in the element
 * `data`.
 */
export const SCRIPT = `
  const byId = (id) => document.getElementById(id);
  const make = (name, own) => Object.assign(document.createElement(name), own);
  const data = JSON.parse(byId("data").textContent);
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // Pictures of points and signals are drawn on this grey; on dark pages they are turned like other drawings.
  const PLOT_GREY = 246;
  const markPlot = (image) => {
    const { naturalWidth: width, naturalHeight: height } = image;
    if (width < 9 || height < 9) return;
    const context = make("canvas", { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
    const isGrey = ([x, y]) => {
      context.drawImage(image, x, y, 1, 1, 0, 0, 1, 1);
      return context.getImageData(0, 0, 1, 1).data.slice(0, 3).every((level) => level === PLOT_GREY);
    };
    image.classList.toggle("plot", [[4, 4], [4, height - 5], [width - 5, 4]].every(isGrey));
  };
  // Small grids are enlarged by a whole factor, so that pixels stay squares.
  const enlarge = (image) => {
    const { naturalWidth } = image;
    if (naturalWidth === 0 || image.matches(".drawing")) return;
    markPlot(image);
    const figure = image.closest(".hero > figure");
    if (figure === null) image.style.width = naturalWidth * Math.max(1, Math.floor(280 / naturalWidth)) + "px";
    else {
      // Squares of different sizes are seen up to a factor of about three.
      image.style.width = Math.min(figure.clientWidth - 2, 640) + "px";
      image.style.imageRendering = figure.clientWidth < 3 * naturalWidth ? "auto" : "pixelated";
    }
    if (figure?.dataset.labels !== undefined) drawClasses(figure, image);
    drawLines(image);
  };
  // The margins of a grid are white, as images may be: the style draws lines in them.
  const drawLines = (image) => {
    const frames = image.closest("[data-cells]");
    if (frames === null) return;
    const [gap, , width, height] = cellOf(frames, 0);
    const lengths = { gap, across: gap + width, down: gap + height, width: image.naturalWidth, height: image.naturalHeight };
    for (const [name, length] of Object.entries(lengths)) {
      image.parentElement.style.setProperty("--" + name, length * image.clientWidth / image.naturalWidth + "px");
    }
  };
  // The place of one image in a grid.
  const cellOf = (frames, index) => {
    const { columns, width, height, margin } = JSON.parse(frames.dataset.cells);
    const [x, y] = [index % columns, Math.floor(index / columns)];
    return [margin + x * (width + margin), margin + y * (height + margin), width, height];
  };
  // Samples of several classes are shown by class, each with its name. The grid itself is one click away.
  const IN_ROW = 8, GAP = 2;
  const drawClasses = (frames, image) => {
    const rows = new Map();
    JSON.parse(frames.dataset.labels).forEach((label, i) => rows.set(label, [...rows.get(label) ?? [], i]));
    const length = Math.min(IN_ROW, Math.max(...[...rows.values()].map((own) => own.length)));
    const [, , width, height] = cellOf(frames, 0);
    const scale = Math.min(4, (frames.clientWidth - 108) / (length * (width + GAP) + GAP));
    const table = make("div", { className: "classes" });
    for (const [label, places] of rows) {
      const shown = places.slice(0, length);
      const canvas = make("canvas", { width: shown.length * (width + GAP) + GAP, height: height + 2 * GAP });
      canvas.style.width = canvas.width * scale + "px";
      canvas.style.imageRendering = scale < 2 ? "auto" : "pixelated";
      const context = canvas.getContext("2d");
      shown.forEach((place, i) => context.drawImage(image, ...cellOf(frames, place), GAP + i * (width + GAP), GAP, width, height));
      table.append(make("span", { textContent: label, title: label }), canvas);
    }
    const grid = image.closest(".scroll");
    frames.querySelector(".classes")?.remove();
    grid.before(table);
    const button = frames.querySelector(".by-class") ?? make("button", { type: "button", className: "by-class" });
    const show = (isGrid) => {
      [table.hidden, grid.hidden] = [isGrid, !isGrid];
      button.textContent = isGrid ? "by class" : "as one grid";
    };
    button.onclick = () => {
      show(grid.hidden);
      drawLines(image);
    };
    grid.after(button);
    show(!grid.hidden && button.textContent === "by class");
  };
  document.addEventListener("load", ({ target }) => target.matches?.(".frames img") && enlarge(target), true);
  // One slider controls all frames; until somebody moves it, the last step is shown, also when a later one arrives.
  let chosen;
  // On a narrow screen rows are cards, and each cell has its name before it.
  const nameCells = () => {
    for (const { tHead, tBodies } of document.querySelectorAll(".scroll > table:not(.runs)")) {
      const names = [...tHead.rows[0].cells].map(({ textContent }) => textContent);
      for (const row of tBodies[0].rows) [...row.cells].forEach((cell, i) => cell.dataset.name = names[i]);
    }
  };
  const showFrames = () => {
    nameCells();
    const slider = byId("steps");
    let step = Infinity;
    if (slider !== null) {
      const steps = JSON.parse(slider.dataset.steps);
      const place = chosen === undefined ? steps.length - 1 : Math.max(0, steps.findLastIndex((one) => one <= chosen));
      step = steps[place];
      slider.value = place;
      const words = "after " + step.toLocaleString("en") + " steps";
      slider.setAttribute("aria-valuetext", words);
      slider.closest(".slider").lastChild.textContent = words;
    }
    for (const frames of document.querySelectorAll(".frames")) {
      const images = [...frames.querySelectorAll("img")];
      const shown = images.findLast(({ dataset }) => dataset.step === "" || Number(dataset.step) <= step) ?? images[0];
      for (const image of images) image.hidden = image !== shown;
      enlarge(shown);
      frames.querySelector("figcaption b").textContent = shown.dataset.caption;
    }
    setBeside();
  };

  // Parts that scroll by themselves do so by keys, too.
  const focusScrollers = () => {
    for (const part of document.querySelectorAll(".scroll, .legend")) {
      const scrolls = part.scrollWidth > part.clientWidth || part.scrollHeight > part.clientHeight;
      part.classList.toggle("cut", part.scrollLeft + part.clientWidth < part.scrollWidth - 2);
      if (scrolls) part.tabIndex = 0;
      else part.removeAttribute("tabindex");
    }
  };
  new ResizeObserver(focusScrollers).observe(document.body);
  document.addEventListener("scroll", ({ target }) => target !== document && focusScrollers(), true);

  // The side-by-side view shows the pictures that the frames show now.
  const setBeside = () => {
    const frames = document.querySelectorAll("#samples .frames");
    const shownIn = (place) => frames[place]?.querySelector("img:not([hidden])");
    for (const canvas of document.querySelectorAll("[data-frame]")) {
      const image = shownIn(canvas.dataset.frame);
      if (!image) continue;
      const place = cellOf(frames[canvas.dataset.frame], Number(byId("cell").value));
      const draw = () => {
        const context = canvas.getContext("2d");
        canvas.height = Math.round(canvas.width * place[3] / place[2]);
        context.imageSmoothingEnabled = false;
        context.drawImage(image, ...place, 0, 0, canvas.width, canvas.height);
      };
      image.loading = "eager";
      if (image.complete) draw();
      else image.addEventListener("load", draw, { once: true });
    }
    if (byId("edge") === null) return;
    for (const [from, to] of [["left", "under"], ["right", "over"]]) {
      const image = shownIn(byId(from).value);
      if (image && byId(to).src !== image.src) byId(to).src = image.src;
      if (image) [byId(to).alt, byId(to).hidden] = [image.alt, false];
    }
    byId("over").parentElement.style.setProperty("--edge", byId("edge").value + "%");
  };

  // A mean whose memory is a share of the whole axis: as much in a log of few lines as in a long one, and where lines
  // get sparser. It looks to both sides, or it would lag behind a loss that falls.
  const smooth = (steps, values, weight) => {
    const unit = (steps.at(-1) - steps[0]) / 500 || 1;
    const from = (order) => {
      const means = [];
      let mean = 0, share = 0, before;
      for (const k of order) {
        const kept = before === undefined ? 0 : weight ** (Math.abs(steps[k] - steps[before]) / unit);
        mean = kept * mean + (1 - kept) * values[k];
        share = kept * share + (1 - kept);
        means[k] = mean / share;
        before = k;
      }
      return means;
    };
    const places = [...values.keys()];
    const [left, right] = [from(places), from(places.toReversed())];
    return values.map((_, k) => (left[k] + right[k]) / 2);
  };
  // The library's own labels have three decimals at most, and name the ends of a logarithmic axis, which are no round
  // numbers.
  const short = (value) => String(Number(value.toPrecision(4)));
  const isRound = (value) => {
    const first = value / 10 ** Math.floor(Math.log10(value));
    return Math.abs(first - Math.round(first)) < 1e-6;
  };
  const values = (plot, ticks, at) => {
    const all = ticks.filter((tick) => tick !== null);
    const round = plot.scales[plot.axes[at].scale].distr === 3 ? all.filter(isRound) : all;
    const named = round.length > 1 ? round : all;
    return ticks.map((tick) => named.includes(tick) ? short(tick) : null);
  };
  // The library finds no end of the marks of an axis that begins just below a power of ten.
  const logRange = (_, low, high) => [[Math.floor, low / 1.1], [Math.ceil, high * 1.1]].map(([round, value]) => {
    const unit = 10 ** Math.floor(Math.log10(value));
    return value > 0 ? round(value / unit) * unit : null;
  });
  const axis = () => ({ values, stroke: css("--soft"), grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line") } });
  // A colour for each setting, dashes for its seeds. Of more settings than there are names for colours, those that are
  // near each other look alike.
  const colors = ["--blue", "--orange", "--green", "--purple", "--text", "--gold", "--sky", "--red"];
  const dashes = [["solid"], ["dashed", [12, 9]], ["dotted", [3, 6]]];
  const settingOf = (label) => label.replace(/~?\\bseed=[^~, ]*,? ?/, "");
  const stylesOf = (runs) => {
    const settings = [...new Set(runs.map(({ label }) => settingOf(label)))];
    const seeds = new Map();
    return runs.map(({ label }) => {
      const setting = settingOf(label);
      const [i, seed] = [settings.indexOf(setting), seeds.get(setting) ?? 0];
      seeds.set(setting, seed + 1);
      const light = matchMedia("(prefers-color-scheme: dark)").matches && !document.documentElement.matches(".paper") ? 65 : 40;
      const hue = Math.round(250 - 230 * i / Math.max(1, settings.length - 1));
      const color = settings.length <= colors.length ? css(colors[i]) : "hsl(" + hue + " 65% " + light + "%)";
      // Without seeds, dashes keep lines on top of one another visible.
      return { color, dash: dashes[(settings.length === runs.length ? i : seed) % dashes.length] };
    });
  };
  const titles = { __proto__: null, loss: "loss", gradNorm: "gradient norm", learningRate: "learning rate" };
  // The name of a group has the objective after a comma.
  const titleOf = ({ title = "" }, name) => (titles[name] ?? name) + title.replace(/^[^,]*/, "");
  let charts = [];
  const COPIES = '${figureButtons(true).text}';
  // As many charts side by side as fit at 300 pixels or more, and none wider than the page.
  const widthIn = (holder) => {
    const most = holder.dataset.only === undefined ? 3 : 1;
    const columns = Math.max(1, Math.min(most, Math.floor((holder.clientWidth + 16) / 316)));
    return Math.max(220, Math.floor((holder.clientWidth + 16) / columns) - 16);
  };
  // One log is drawn with its noise; several are drawn smoothed, on top of one another.
  const linesOf = ({ runs, isExact }, name) => {
    const noisy = name !== "learningRate" && !isExact;
    const log = (noisy || isExact) && (byId("log-scale")?.checked ?? true);
    const weight = noisy ? Number(byId("smoothing").value) : 0;
    const own = runs.map((run) => ({ ...run, rows: run.rows.filter((row) => Number.isFinite(row[name])) }));
    const x = [...new Set(own.flatMap(({ rows }) => rows.map(({ step }) => step)))].sort((a, b) => a - b);
    const styles = stylesOf(runs);
    const series = own.flatMap(({ label, href, rows }, i) => {
      const at = (values) => {
        const found = new Map(rows.map(({ step }, k) => [step, log && values[k] <= 0 ? null : values[k]]));
        return x.map((step) => found.get(step) ?? null);
      };
      const raw = rows.map((row) => row[name]);
      const steps = rows.map(({ step }) => step);
      const { color, dash: [style, dash] } = styles[i];
      const own = isExact ? name : weight > 0 ? "smoothed" : "as logged";
      const bars = rows.flatMap((row) => row["±" + name] ? [{ step: row.step, value: row[name], length: row["±" + name] }] : []);
      const line = { label: own, values: at(smooth(steps, raw, weight)), bars, color, style, dash };
      if (runs.length > 1) return [{ ...line, label, href }];
      return weight > 0 ? [{ label: "as logged", values: at(raw), color: css("--soft") + "66", width: 1.5 }, line] : [line];
    });
    return { log, series, data: [x, ...series.map(({ values }) => values)] };
  };
  // An axis of words has them at 0, 1, 2 ...
  const ticksOf = ({ dataset: { ticks } }) => {
    if (ticks === undefined) return {};
    const words = JSON.parse(ticks);
    return { splits: () => words.map((_, i) => i), values: (_, splits) => splits.map((i) => words[i]) };
  };
  // All curves of a legend are of one stage: children of a matrix are told apart by the rest of their names.
  const childOf = (label) => label.replace(/^[\\w-]*~/, "").replaceAll("~", ", ");
  // One legend for all charts of a group.
  const drawLegend = (holder, { runs }) => {
    const legend = make("div", { className: "legend" });
    stylesOf(runs).forEach(({ color, dash: [style] }, i) => {
      const { label, href } = runs[i];
      const entry = make(href ? "a" : "span", { textContent: childOf(label), ...href && { href } });
      entry.style.setProperty("--mark", "3px " + style + " " + color);
      legend.append(entry);
    });
    holder.append(legend);
  };
  const value = (_, shown) => shown === null ? "" : short(shown);
  ${BARS_SCRIPT}
  const drawChart = (holder, group, name) => {
    const element = make("div", { className: "chart" });
    holder.append(element);
    const { log, series, data } = linesOf(group, name);
    const x = holder.dataset.x ?? "step";
    const ends = series.flatMap(({ bars = [] }) => bars.flatMap(({ value, length }) => [value - length, value + length]));
    const range = (plot, low, high) => {
      const [from, to] = [Math.min(low, ...ends.filter((end) => !log || end > 0)), Math.max(high, ...ends)];
      return log ? logRange(plot, from, to) : uPlot.rangeNum(from, to, 0.1, true);
    };
    const plot = new uPlot({
      title: titleOf(group, name),
      width: widthIn(holder),
      height: 260,
      scales: { x: { time: false, distr: holder.dataset.log === undefined ? 1 : 3 }, y: { distr: log ? 3 : 1, range } },
      hooks: { draw: [(plot) => drawBars(plot, series)] },
      axes: [{ ...axis(), ...ticksOf(holder), label: x, labelSize: 22, size: 40 }, { ...axis(), size: 62 }],
      legend: { show: group.runs.length === 1, markers: { fill: (_, i) => series[i - 1]?.color, dash: (_, i) => series[i - 1]?.style ?? "solid" } },
      // Gaps are bridged: a missing value is only a step that another run has.
      series: [{ label: x, value }, ...series.map(({ label, href, color, dash, width = 2 }) => ({ label: href ? make("a", { href, textContent: label }) : label, stroke: color, dash, width, value, spanGaps: true }))],
    }, data, element);
    charts.push({ plot, holder, group, name });
    element.insertAdjacentHTML("beforeend", COPIES);
  };
  // Rows of figures have all names, rows of timesteps those of figures with such a range. One point is no curve.
  const isCurve = ({ runs }, name) => runs.some(({ rows }) => rows.filter((row) => Number.isFinite(row[name])).length > 1);
  const namesOf = (group, { runs, isExact } = group) => {
    const names = new Set(runs.flatMap(({ rows }) => isExact ? rows.flatMap(Object.keys) : Object.keys(rows.at(-1) ?? {})).filter((name) => name !== "step" && name[0] !== "±" && isCurve(group, name)));
    return [...Object.keys(titles).filter((name) => names.delete(name)), ...names].slice(0, 9);
  };
  const drawIn = (holder) => {
    for (const { plot } of charts.filter((chart) => chart.holder === holder)) plot.destroy();
    charts = charts.filter((chart) => chart.holder !== holder);
    holder.replaceChildren();
    const { curve, only, runs } = holder.dataset;
    const group = runs ? { runs: JSON.parse(runs), isExact: true } : data.find(({ title }) => title === curve);
    const names = group === undefined ? [] : namesOf(group);
    for (const name of names) if (only === undefined || name === only) drawChart(holder, group, name);
    if (names.length > 0 && group.runs.length > 1) drawLegend(holder, group);
  };
  const drawAll = () => document.querySelectorAll(".charts").forEach(drawIn);

  ${COPY_SCRIPT}
  const showMore = (button) => {
    const place = button.closest("tr") ?? button;
    place.insertAdjacentHTML("beforebegin", button.dataset.more);
    place.remove();
    showFrames();
  };
  // Rows are sorted by the numbers in them, or else as text; a second click turns the order round.
  const valueIn = (row, column) => {
    const cell = row.cells[column];
    const text = cell?.querySelector("data")?.value ?? cell?.textContent.trim() ?? "";
    return text === "" ? undefined : Number.isNaN(Number(text)) ? text : Number(text);
  };
  const sortBy = (head) => {
    const table = head.closest("table");
    table.querySelectorAll("[data-more]").forEach(showMore);
    const sign = head.ariaSort === "ascending" ? -1 : 1;
    for (const other of head.parentElement.cells) other.ariaSort = null;
    head.ariaSort = sign > 0 ? "ascending" : "descending";
    const compare = (a, b) => {
      const [x, y] = [valueIn(a, head.cellIndex), valueIn(b, head.cellIndex)];
      if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
      return sign * (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y)));
    };
    table.tBodies[0].append(...[...table.tBodies[0].rows].sort(compare));
  };
  document.addEventListener("click", async ({ target }) => {
    if (target.matches?.("[data-more]")) showMore(target);
    if (target.matches?.(".sort")) sortBy(target.closest("th"));
    const button = target.closest?.("[data-copy]");
    if (!button) return;
    const { copy, form } = button.dataset;
    await (form === undefined ? copyText(copy) : copyFigure(button.closest("figure, .chart, .drawn"), form));
    button.classList.add("copied");
    setTimeout(() => button.classList.remove("copied"), 1200);
  });
  // A chart has a width only where it is shown.
  document.addEventListener("toggle", ({ target }) => target.open && target.querySelectorAll(".charts").forEach(drawIn), true);
  const unfold = () => byId(decodeURIComponent(location.hash.slice(1)))?.querySelector("details")?.setAttribute("open", "");
  addEventListener("hashchange", unfold);
  unfold();

  document.addEventListener("input", ({ target }) => {
    if (target.id === "steps") {
      const steps = JSON.parse(target.dataset.steps);
      chosen = Number(target.value) === steps.length - 1 ? undefined : steps[target.value];
      showFrames();
    }
    if (["smoothing", "log-scale"].includes(target.id)) drawAll();
    if (["cell", "left", "right", "edge"].includes(target.id)) setBeside();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  // Paper is light, has its own width, and shows what is folded.
  const setPaper = (isPaper) => {
    document.documentElement.classList.toggle("paper", isPaper);
    for (const part of document.querySelectorAll(isPaper ? "section > details:not([open])" : "[data-folded]")) {
      part.open = isPaper;
      part.toggleAttribute("data-folded", isPaper);
    }
    showFrames();
    drawAll();
  };
  addEventListener("beforeprint", () => setPaper(true));
  addEventListener("afterprint", () => setPaper(false));
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== width) {
      drawAll();
      showFrames();
    }
    width = innerWidth;
  });
  showFrames();
  drawAll();
`;
