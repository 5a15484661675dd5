/** The part of a page's script that copies texts and figures: plain JavaScript in the scope of `SCRIPT`. */
export const COPY_SCRIPT = `
  // Files have no access to the clipboard in some browsers, where the text is selected and copied as by hand.
  const copyText = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.body.appendChild(make("textarea", { value: text }));
      area.select();
      document.execCommand("copy");
      area.remove();
    }
  };
  const svgStart = (width, height) => \`<svg xmlns="http://www.w3.org/2000/svg" width="\${width}" height="\${height}" viewBox="0 0 \${width} \${height}">
<rect width="100%" height="100%" fill="\${css("--ground")}"/>\`;
  const xml = (text) => String(text).replace(/[&<>"]/g, (sign) => "&#" + sign.charCodeAt(0) + ";");
  const TITLE = 14;
  // A chart is drawn anew from its data, with its legend below it.
  const svgOfChart = ({ plot, holder, group, name }) => {
    const { series } = linesOf(group, name);
    const several = group.runs.length > 1;
    const [{ left, top, width, height }, soft] = [plot.bbox, css("--soft")];
    const [x0, y1, w, h] = [left, top, width, height].map((one) => one / devicePixelRatio);
    const y0 = y1 + TITLE;
    const [below, total] = [plot.height + TITLE, plot.height + TITLE + (several ? 20 * series.length : 0)];
    const text = (x, y, words, more = 'text-anchor="middle"') => \`<text x="\${x}" y="\${y}" \${more}>\${xml(words)}</text>\`;
    const parts = plot.axes.flatMap(({ _splits = [], _values = [] }, i) => _splits.map((at, k) => {
      const place = (i === 0 ? x0 : y0) + plot.valToPos(at, i === 0 ? "x" : "y");
      const [line, label] = i === 0
        ? [\`M\${place} \${y0}v\${h}\`, text(place, y0 + h + 16, _values[k] ?? "")]
        : [\`M\${x0} \${place}h\${w}\`, text(x0 - 6, place + 4, _values[k] ?? "", 'text-anchor="end"')];
      return \`<path d="\${line}" stroke="\${css("--line")}"/>\` + label;
    }));
    const bars = series.flatMap(({ bars, color }) => barsIn(plot, bars).map(([step, ...ends]) => {
      const [low, high] = ends.map((end) => y0 + plot.valToPos(end, "y"));
      const x = x0 + plot.valToPos(step, "x");
      return \`<path d="M\${x} \${low}V\${high}m-4 0h8M\${x - 4} \${low}h8" stroke="\${color}" stroke-width="1.5"/>\`;
    }));
    const lines = series.map(({ values, color, dash, width = 2 }) => {
      const points = values.flatMap((value, i) =>
        value === null ? [] : [[x0 + plot.valToPos(plot.data[0][i], "x"), y0 + plot.valToPos(value, "y")].map((one) => one.toFixed(1)).join(" ")]);
      const d = points.length === 1 ? "M" + points + "h.1" : "M" + points.join("L");
      return points.length === 0 ? "" : \`<path d="\${d}" fill="none" stroke="\${color}" stroke-width="\${width}" stroke-linecap="round" stroke-dasharray="\${dash ?? ""}"/>\`;
    });
    const legend = several ? series.map(({ label, color, dash }, i) => {
      const y = below + 20 * i + 8;
      return \`<path d="M\${x0} \${y}h26" stroke="\${color}" stroke-width="2" stroke-dasharray="\${dash ?? ""}"/>\` + text(x0 + 34, y + 4, childOf(label), "");
    }) : [];
    const words = text(x0 + w / 2, y0 + h + 36, holder.dataset.x ?? "step") + text(plot.width / 2, 18, titleOf(group, name), 'text-anchor="middle" font-weight="600"');
    return svgStart(plot.width, total) + \`<g font-family="sans-serif" font-size="12" fill="\${soft}">\${[...parts, ...bars, ...lines, ...legend, words].join("")}</g></svg>\`;
  };
  // A drawing in the page takes its style with it.
  const STYLED = ["fill", "stroke", "stroke-width", "stroke-dasharray", "marker-end", "font-family", "font-size", "font-weight"];
  const svgOfDrawing = (svg) => {
    const copy = svg.cloneNode(true);
    const copies = [...copy.querySelectorAll("*")];
    [...svg.querySelectorAll("*")].forEach((element, i) => {
      const style = getComputedStyle(element);
      for (const name of STYLED) copies[i].setAttribute(name, style.getPropertyValue(name).replace(/^url\\(.*(#\\w+).*\\)$/, "url($1)"));
    });
    return svgStart(svg.width.baseVal.value, svg.height.baseVal.value) + copy.innerHTML + "</svg>";
  };
  const textOfSource = async (source) => {
    if (!source.startsWith("data:")) return await (await fetch(source)).text();
    return new TextDecoder().decode(Uint8Array.from(atob(source.split(",")[1]), (one) => one.charCodeAt(0)));
  };
  const svgIn = (figure) => {
    const chart = charts.find(({ plot }) => figure.contains(plot.root));
    const drawing = figure.querySelector("svg");
    return chart ? svgOfChart(chart) : drawing ? svgOfDrawing(drawing) : textOfSource(figure.querySelector("img:not([hidden])").src);
  };
  // Small grids are enlarged by a whole factor, drawings so that they look sharp on a slide.
  const pngIn = async (figure) => {
    const shown = figure.querySelector("img:not([hidden]):not(.drawing)");
    const image = shown ?? new Image();
    if (shown === null) {
      const svg = figure.querySelector("img:not([hidden])")?.src ?? "data:image/svg+xml," + encodeURIComponent(await svgIn(figure));
      await new Promise((resolve, reject) => Object.assign(image, { onload: resolve, onerror: reject, src: svg }));
    }
    const { naturalWidth: width, naturalHeight: height } = image;
    const scale = Math.max(1, Math.floor((shown === null ? 1600 : 640) / width));
    const canvas = make("canvas", { width: width * scale, height: height * scale });
    const context = canvas.getContext("2d");
    if (shown === null) {
      context.fillStyle = "#fff";
      context.fillRect(0, 0, canvas.width, canvas.height);
    }
    context.imageSmoothingEnabled = shown === null;
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  };
  const copyFigure = async (figure, form) => {
    if (form === "svg") return await copyText(await svgIn(figure));
    const png = pngIn(figure);
    try {
      // The clipboard takes a promise, since it is open only at once after a click.
      await navigator.clipboard.write([new ClipboardItem({ "image/png": png })]);
    } catch {
      make("a", { href: URL.createObjectURL(await png), download: "figure.png" }).click();
    }
  };
`;
