/** What the page does once it is open: plain JavaScript, no network. Data are in the element `data`. */
export const SCRIPT = `
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  for (const frames of document.querySelectorAll(".frames")) {
    const slider = frames.querySelector("input");
    if (slider === null) continue;
    const images = [...frames.querySelectorAll("img")];
    const caption = frames.querySelector("figcaption b");
    const show = () => {
      images.forEach((image, i) => image.hidden = i !== Number(slider.value));
      caption.textContent = images[slider.value].dataset.caption;
      slider.setAttribute("aria-valuetext", caption.textContent);
    };
    slider.addEventListener("input", show);
    show();
  }

  const smooth = (values, weight) => {
    let mean = 0, share = 0;
    return values.map((value) => {
      mean = weight * mean + (1 - weight) * value;
      share = weight * share + (1 - weight);
      return mean / share;
    });
  };
  // The library's own numbers have three decimals at most.
  const values = (_, ticks) => ticks.map((tick) => tick === null ? null : String(Number(tick.toPrecision(4))));
  const axis = () => ({ values, stroke: css("--soft"), grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line") } });
  const charts = [];
  // As many side by side as are at least 300 pixels wide, and no wider than the page.
  const widthIn = (holder) => {
    const columns = Math.max(1, Math.min(3, Math.floor((holder.clientWidth + 16) / 316)));
    return Math.max(220, Math.floor((holder.clientWidth + 16) / columns) - 16);
  };
  const chart = (holder, { title, x, series, log, xLabel, width = widthIn(holder) }) => {
    const element = document.createElement("div");
    holder.append(element);
    const made = new uPlot({
      title,
      width,
      height: 260,
      scales: { x: { time: false }, y: { distr: log ? 3 : 1 } },
      axes: [{ ...axis(), label: xLabel, labelSize: 22, size: 40 }, { ...axis(), size: 62 }],
      series: [{ label: xLabel }, ...series.map(({ label, color, width }) => ({ label, stroke: css(color), width: width ?? 1.5 }))],
    }, [x, ...series.map(({ values }) => values)], element);
    charts.push({ made, element });
  };

  const smoothing = document.getElementById("smoothing");
  const logScale = document.getElementById("log");
  const positive = (values) => values.map((value) => value > 0 ? value : null);
  const draw = () => {
    for (const { made } of charts.splice(0)) made.destroy();
    for (const holder of document.querySelectorAll("[data-curve]")) {
      holder.replaceChildren();
      const { rows } = data.curves[holder.dataset.curve];
      const x = rows.map((row) => row.step);
      const log = logScale.checked;
      const column = (name) => log ? positive(rows.map((row) => row[name])) : rows.map((row) => row[name]);
      const both = (name, color) => [
        { label: "each step", values: column(name), color: "--line" },
        { label: "smoothed", values: smooth(rows.map((row) => row[name]), Number(smoothing.value)), color, width: 2 },
      ];
      chart(holder, { title: "loss", x, xLabel: "step", log, series: both("loss", "--blue") });
      chart(holder, { title: "gradient norm", x, xLabel: "step", log, series: both("gradNorm", "--orange") });
      chart(holder, { title: "learning rate", x, xLabel: "step", log: false,
        series: [{ label: "learning rate", values: rows.map((row) => row.learningRate), color: "--green", width: 2 }] });
    }
    for (const holder of document.querySelectorAll("[data-overlay]")) {
      holder.replaceChildren();
      const { title, runs } = data.overlays[holder.dataset.overlay];
      const x = [...new Set(runs.flatMap(({ steps }) => steps))].sort((a, b) => a - b);
      const colors = ["--blue", "--orange", "--green", "--soft", "--text"];
      const series = runs.map(({ label, steps, values }, i) => {
        const at = new Map(steps.map((step, k) => [step, smooth(values, Number(smoothing.value))[k]]));
        return { label, values: x.map((step) => at.get(step) ?? null), color: colors[i % colors.length], width: 2 };
      });
      chart(holder, { title, x, xLabel: "step", log: logScale.checked, series, width: Math.min(900, holder.clientWidth) });
    }
  };
  if (smoothing !== null) {
    smoothing.addEventListener("input", draw);
    logScale.addEventListener("change", draw);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    let width = innerWidth;
    addEventListener("resize", () => {
      if (innerWidth !== width) draw();
      width = innerWidth;
    });
    draw();
  }
})();
`;
