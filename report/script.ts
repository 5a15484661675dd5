/**
 * The script of a page: plain JavaScript for a function's body, which uses no network. Its data are in the element
 * `data`.
 */
export const SCRIPT = `
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // Small grids are enlarged by a whole factor, so that pixels stay squares.
  const enlarge = (image) => {
    const { naturalWidth } = image;
    if (naturalWidth > 0 && !image.matches(".drawing")) image.style.width = naturalWidth * Math.max(1, Math.floor(280 / naturalWidth)) + "px";
  };
  document.addEventListener("load", ({ target }) => target.matches?.(".frames img") && enlarge(target), true);
  // One slider controls all frames; until somebody moves it, the last step is shown, also when a later one arrives.
  let chosen;
  const showFrames = () => {
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

  // The side-by-side view shows the pictures that the frames show now.
  const setBeside = () => {
    const frames = document.querySelectorAll("#samples .frames");
    const shownIn = (place) => frames[place]?.querySelector("img:not([hidden])");
    for (const canvas of document.querySelectorAll("[data-frame]")) {
      const image = shownIn(canvas.dataset.frame);
      if (!image) continue;
      const { columns, width, height, margin } = JSON.parse(frames[canvas.dataset.frame].dataset.cells);
      const index = Number(byId("cell").value);
      const draw = () => {
        const context = canvas.getContext("2d");
        canvas.height = Math.round(canvas.width * height / width);
        context.imageSmoothingEnabled = false;
        const [x, y] = [index % columns, Math.floor(index / columns)];
        const place = [margin + x * (width + margin), margin + y * (height + margin), width, height];
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

  const smooth = (values, weight) => {
    let mean = 0, share = 0;
    return values.map((value) => {
      mean = weight * mean + (1 - weight) * value;
      share = weight * share + (1 - weight);
      return mean / share;
    });
  };
  // The library's own labels have three decimals at most.
  const values = (_, ticks) => ticks.map((tick) => tick === null ? null : String(Number(tick.toPrecision(4))));
  const axis = () => ({ values, stroke: css("--soft"), grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line") } });
  const colors = ["--blue", "--orange", "--green", "--purple", "--text"];
  // With dashes, lines on top of one another all stay visible, and no two of fifteen look the same.
  const dashes = [["solid"], ["dashed", [12, 9]], ["dotted", [3, 6]]];
  const titles = { loss: "loss", gradNorm: "gradient norm", learningRate: "learning rate" };
  let charts = [];
  // As many charts side by side as fit at 300 pixels or more, and none wider than the page.
  const widthIn = (holder) => {
    const columns = Math.max(1, Math.min(3, Math.floor((holder.clientWidth + 16) / 316)));
    return Math.max(220, Math.floor((holder.clientWidth + 16) / columns) - 16);
  };
  // One log is drawn with its noise; several are drawn smoothed, on top of one another.
  const linesOf = (runs, name) => {
    const noisy = name !== "learningRate";
    const log = noisy && byId("log-scale").checked;
    const weight = noisy ? Number(byId("smoothing").value) : 0;
    const own = runs.map((run) => ({ ...run, rows: run.rows.filter((row) => Number.isFinite(row[name])) }));
    const x = [...new Set(own.flatMap(({ rows }) => rows.map(({ step }) => step)))].sort((a, b) => a - b);
    const series = own.flatMap(({ label, href, rows }, i) => {
      const at = (values) => {
        const found = new Map(rows.map(({ step }, k) => [step, log && values[k] <= 0 ? null : values[k]]));
        return x.map((step) => found.get(step) ?? null);
      };
      const color = colors[i % colors.length];
      const raw = rows.map((row) => row[name]);
      const [style, dash] = dashes[i % dashes.length];
      const line = { label: weight > 0 ? "smoothed" : "each step", values: at(smooth(raw, weight)), color, style, dash };
      if (runs.length > 1) return [{ ...line, label, href }];
      return weight > 0 ? [{ label: "each step", values: at(raw), color: "--line", width: 1.5 }, line] : [line];
    });
    return { log, series, data: [x, ...series.map(({ values }) => values)] };
  };
  const drawChart = (holder, group, name) => {
    const element = document.createElement("div");
    holder.append(element);
    const { log, series, data } = linesOf(group.runs, name);
    const plot = new uPlot({
      title: titles[name] ?? name,
      width: widthIn(holder),
      height: 260,
      scales: { x: { time: false }, y: { distr: log ? 3 : 1 } },
      axes: [{ ...axis(), label: "step", labelSize: 22, size: 40 }, { ...axis(), size: 62 }],
      legend: { markers: { dash: (_, i) => series[i - 1]?.style ?? "solid" } },
      // Gaps are bridged: a missing value is only a step that another run has.
      series: [{ label: "step" }, ...series.map(({ label, href, color, dash, width = 2 }) => ({ label: href ? Object.assign(document.createElement("a"), { href, textContent: label }) : label, stroke: css(color), dash, width, spanGaps: true }))],
    }, data, element);
    charts.push({ plot, holder, group, name });
  };
  const namesOf = ({ runs }) => {
    const names = new Set(runs.flatMap(({ rows }) => Object.keys(rows.at(-1) ?? {})).filter((name) => name !== "step"));
    return [...Object.keys(titles).filter((name) => names.delete(name)), ...names].slice(0, 9);
  };
  const drawIn = (holder) => {
    for (const { plot } of charts.filter((chart) => chart.holder === holder)) plot.destroy();
    charts = charts.filter((chart) => chart.holder !== holder);
    holder.replaceChildren();
    const group = data.find(({ title }) => title === holder.dataset.curve);
    for (const name of group ? namesOf(group) : []) drawChart(holder, group, name);
  };
  const drawAll = () => document.querySelectorAll("[data-curve]").forEach(drawIn);

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
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== width) drawAll();
    width = innerWidth;
  });
  showFrames();
  drawAll();
`;
