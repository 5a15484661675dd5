import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { type LineChart, lineChartsSvg } from "../../../../science/pictures/line_charts.ts";

const CHART: LineChart = {
  title: "a < b & c",
  note: "note",
  xLabel: "t",
  values: Float64Array.of(1, 10, 100),
  color: "#0072b2",
  scale: "log",
};
const TEXTS = { title: "title", description: "description" };
const draw = (...charts: Partial<LineChart>[]) => lineChartsSvg(charts.map((one) => ({ ...CHART, ...one })), TEXTS);
const curve = (svg: string) =>
  /<path d="M([^"]+)"/.exec(svg)?.[1]?.split("L").map((point) => point.split(",").map(Number));

Deno.test("lineChartsSvg() puts equal ratios at equal heights when the scale is logarithmic", () => {
  const points = curve(draw({}))!;
  const [first, second, third] = points.map(([, y]) => y!);
  assert(Math.abs((first! - second!) - (second! - third!)) <= 0.02, `got ${points}`);
  assert(first! > second!, "y grows downwards in SVG");
});

Deno.test("lineChartsSvg() keeps the first and the last of many values", () => {
  const values = Float64Array.from({ length: 100_000 }, (_, i) => i + 1);
  const points = curve(draw({ values, scale: "linear" }))!;
  assertEquals(points.length, 400);
  const short = curve(draw({ values: Float64Array.of(1, 100_000), scale: "linear" }))!;
  assertEquals([points[0], points.at(-1)], [short[0], short[1]]);
});

Deno.test("lineChartsSvg() leaves out what cannot be drawn", () => {
  const values = Float64Array.of(1, NaN, 0, 10, -Infinity);
  assertEquals(curve(draw({ values }))?.length, 2);
  assertEquals(curve(draw({ values, scale: "linear" }))?.length, 3);
  assert(!draw({ values: Float64Array.of(NaN) }).includes("NaN"));
});

Deno.test("lineChartsSvg() draws a mark only where it is in range", () => {
  const mark = { y: 20, label: "twenty" };
  assertStringIncludes(draw({ mark }), "twenty");
  assert(!draw({ mark: { ...mark, y: 1_000 } }).includes("twenty"));
});

Deno.test("lineChartsSvg() escapes its texts and places charts side by side", () => {
  const svg = draw({}, { title: "second" });
  assertStringIncludes(svg, ">a &lt; b &amp; c</text>");
  assertStringIncludes(svg, `viewBox="0 0 660 340"`);
  assertEquals(svg, draw({}, { title: "second" }));
});
