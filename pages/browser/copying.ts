import type Plot from "uplot/dist/uPlot.d.ts";
import { barPaths, type Chart, charts } from "./charts.ts";
import { all, css, make } from "./dom.ts";
import { childOf, linesOf, titleOf } from "./series.ts";

/**
 * Copies a text. Files have no access to the clipboard in some browsers, where the text is selected and copied as by
 * hand.
 */
export async function copyText(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.body.appendChild(make("textarea", { value: text }));
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

const svgStart = (width: number, height: number) =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<rect width="100%" height="100%" fill="${css("--ground")}"/>`;
const xml = (text: string | number) => String(text).replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
const textAt = (x: number, y: number, words: string | number, more = 'text-anchor="middle"') =>
  `<text x="${x}" y="${y}" ${more}>${xml(words)}</text>`;

/** An axis with its marks, as the library keeps them. */
type Drawn = Plot.Axis & { readonly _splits?: number[]; readonly _values?: (string | number)[] };

/** The height of a chart's title. */
const TITLE = 14;

/** Draws a chart anew from its data, with its legend below it. */
function svgOfChart({ plot, x, group, name }: Chart): string {
  const { series } = linesOf(group, name);
  const legend = group.runs.length > 1 ? series : [];
  const { left, top, width, height } = plot.bbox;
  const [x0, y0] = [left / devicePixelRatio, top / devicePixelRatio + TITLE];
  const [w, h] = [width / devicePixelRatio, height / devicePixelRatio];
  const below = plot.height + TITLE;
  const placeOf = (value: number, axis: "x" | "y") => (axis === "x" ? x0 : y0) + plot.valToPos(value, axis);
  const axes: readonly Drawn[] = plot.axes;
  const parts = axes.flatMap(({ _splits = [], _values = [] }, i) =>
    _splits.map((at, k) => {
      const place = placeOf(at, i === 0 ? "x" : "y");
      const words = _values[k] ?? "";
      const [line, label] = i === 0
        ? [`M${place} ${y0}v${h}`, textAt(place, y0 + h + 16, words)]
        : [`M${x0} ${place}h${w}`, textAt(x0 - 6, place + 4, words, 'text-anchor="end"')];
      return `<path d="${line}" stroke="${css("--line")}"/>${label}`;
    })
  );
  const bars = series.flatMap(({ bars, color }) =>
    barPaths(plot, bars, placeOf).map((d) => `<path d="${d}" stroke="${color}" stroke-width="1.5"/>`)
  );
  const lines = series.map(({ values, color, dash = [], width = 2 }) => {
    const points = values.flatMap((value, i) =>
      value === null ? [] : [`${placeOf(plot.data[0]![i]!, "x").toFixed(1)} ${placeOf(value, "y").toFixed(1)}`]
    );
    const d = points.length === 1 ? `M${points[0]}h.1` : `M${points.join("L")}`;
    const stroke = `stroke="${color}" stroke-width="${width}" stroke-linecap="round" stroke-dasharray="${dash}"`;
    return points.length === 0 ? "" : `<path d="${d}" fill="none" ${stroke}/>`;
  });
  const entries = legend.map(({ label, color, dash = [] }, i) => {
    const y = below + 20 * i + 8;
    const line = `<path d="M${x0} ${y}h26" stroke="${color}" stroke-width="2" stroke-dasharray="${dash}"/>`;
    return line + textAt(x0 + 34, y + 4, childOf(label), "");
  });
  const words = textAt(x0 + w / 2, y0 + h + 36, x) +
    textAt(plot.width / 2, 18, titleOf(group, name), 'text-anchor="middle" font-weight="600"');
  const all = [...parts, ...bars, ...lines, ...entries, words].join("");
  return svgStart(plot.width, below + 20 * legend.length) +
    `<g font-family="sans-serif" font-size="12" fill="${css("--soft")}">${all}</g></svg>`;
}

const STYLED = "fill stroke stroke-width stroke-dasharray marker-end font-family font-size font-weight".split(" ");

/** Returns a drawing of the page, which takes its style with it. */
function svgOfDrawing(svg: SVGSVGElement): string {
  const copy = svg.cloneNode(true) as SVGSVGElement;
  const copies = all<Element>("*", copy);
  all<Element>("*", svg).forEach((element, i) => {
    const style = getComputedStyle(element);
    for (const name of STYLED) {
      copies[i]!.setAttribute(name, style.getPropertyValue(name).replace(/^url\(.*(#\w+).*\)$/, "url($1)"));
    }
  });
  return `${svgStart(svg.width.baseVal.value, svg.height.baseVal.value)}${copy.innerHTML}</svg>`;
}

async function textOfSource(source: string): Promise<string> {
  if (!source.startsWith("data:")) return await (await fetch(source)).text();
  return new TextDecoder().decode(Uint8Array.from(atob(source.split(",")[1]!), (one) => one.charCodeAt(0)));
}

const imageIn = (figure: Element, more = "") => figure.querySelector<HTMLImageElement>(`img:not([hidden])${more}`);

function svgIn(figure: Element): string | Promise<string> {
  const chart = charts.get(figure);
  const drawing = figure.querySelector("svg");
  return chart ? svgOfChart(chart) : drawing ? svgOfDrawing(drawing) : textOfSource(imageIn(figure)!.src);
}

/** Returns a figure as PNG: a small grid enlarged by a whole factor, a drawing so that it looks sharp on a slide. */
async function pngIn(figure: Element): Promise<Blob> {
  const shown = imageIn(figure, ":not(.drawing)");
  const image = shown ?? new Image();
  if (shown === null) {
    const src = imageIn(figure)?.src ?? `data:image/svg+xml,${encodeURIComponent(await svgIn(figure))}`;
    await new Promise((resolve, reject) => Object.assign(image, { onload: resolve, onerror: reject, src }));
  }
  const { naturalWidth: width, naturalHeight: height } = image;
  const scale = Math.max(1, Math.floor((shown === null ? 1600 : 640) / width));
  const canvas = make("canvas", { width: width * scale, height: height * scale });
  const context = canvas.getContext("2d")!;
  if (shown === null) {
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
  }
  context.imageSmoothingEnabled = shown === null;
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  // `null` is an image that cannot be encoded: the clipboard refuses it, and so does its address.
  return await new Promise((resolve) => canvas.toBlob((png) => resolve(png!), "image/png"));
}

export async function copyFigure(figure: Element, form: string): Promise<void> {
  if (form === "svg") return await copyText(await svgIn(figure));
  const png = pngIn(figure);
  try {
    // The clipboard takes a promise, since it is open only at once after a click.
    await navigator.clipboard.write([new ClipboardItem({ "image/png": png })]);
  } catch {
    make("a", { href: URL.createObjectURL(await png), download: "figure.png" }).click();
  }
}
