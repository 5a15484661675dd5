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
  const chart = (holder, { title, x, series, log }) => {
    const element = document.createElement("div");
    holder.append(element);
    charts.push(new uPlot({
      title,
      width: widthIn(holder),
      height: 260,
      scales: { x: { time: false }, y: { distr: log ? 3 : 1 } },
      axes: [{ ...axis(), label: "step", labelSize: 22, size: 40 }, { ...axis(), size: 62 }],
      series: [{ label: "step" }, ...series.map(({ label, color, width }) => ({ label, stroke: css(color), width }))],
    }, [x, ...series.map(({ values }) => values)], element));
  };

  const smoothing = document.getElementById("smoothing");
  const logScale = document.getElementById("log");
  const colors = ["--blue", "--orange", "--green", "--soft", "--text"];
  // One log with its own noise, several without it, one over the other.
  const figures = (holder, runs, { title, name, noisy }) => {
    const x = [...new Set(runs.flatMap(({ rows }) => rows.map(({ step }) => step)))].sort((a, b) => a - b);
    const log = noisy && logScale.checked;
    const series = runs.flatMap(({ label, rows }, i) => {
      const at = (values) => {
        const found = new Map(rows.map(({ step }, k) => [step, log && values[k] <= 0 ? null : values[k]]));
        return x.map((step) => found.get(step) ?? null);
      };
      const own = rows.map((row) => row[name]);
      const raw = { label: noisy ? "each step" : title, values: at(own), color: "--line", width: 1.5 };
      const line = { label: "smoothed", values: at(smooth(own, Number(smoothing.value))), color: colors[i % 5], width: 2 };
      if (runs.length > 1) return [{ ...line, label, ...(noisy ? {} : { values: raw.values }) }];
      return noisy ? [raw, line] : [{ ...raw, color: colors[i % 5], width: 2 }];
    });
    chart(holder, { title, x, series, log });
  };
  const draw = () => {
    for (const made of charts.splice(0)) made.destroy();
    for (const holder of document.querySelectorAll("[data-curve]")) {
      holder.replaceChildren();
      const { runs } = data[holder.dataset.curve];
      figures(holder, runs, { title: "loss", name: "loss", noisy: true });
      figures(holder, runs, { title: "gradient norm", name: "gradNorm", noisy: true });
      figures(holder, runs, { title: "learning rate", name: "learningRate", noisy: false });
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
