import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { renderReport } from "../../../../pages/report/page.ts";
import { settingsOf } from "../../../../pages/report/settings.ts";
import { sweepOf } from "../../../../pages/report/sweep.ts";
import { markup } from "../../../../pages/report/text.ts";
import { parse } from "yaml";
import { NOTHING } from "../../../support/report.ts";

const score = (stage: string, figures: Readonly<Record<string, number>>) => ({
  title: stage,
  record: {
    format: 1 as const,
    seed: 0,
    images: {},
    metrics: Object.entries(figures).map(([name, value]) => ({ name, value, count: 100 })),
  },
});
const grid = (title: string) => ({
  ...{ title, note: "n", source: Uint8Array.of(1) },
  cells: { columns: 2, width: 8, height: 8, margin: 2, count: 4 },
});
const textsOf = (html: string) =>
  [...html.matchAll(/<tr>(.*?)<\/tr>/g)].map(([, row]) =>
    [...row!.matchAll(/<t[dh][^>]*>(.*?)<\/t[dh]>/g)].map(([, cell]) => cell!.replaceAll(/<[^>]*>/g, "").trim())
  );

Deno.test("a sweep is a table of its settings: means over seeds, the best first and marked, and each axis a chart", () => {
  const metrics = ["0.001", "0.1"].flatMap((lr) =>
    ["eps", "v"].flatMap((objective) =>
      [0, 1, 2].map((seed) => {
        const child = `~lr=${lr}~objective=${objective}~seed=${seed}`;
        const fd = (lr === "0.1" ? 5 : 9) + (objective === "v" ? 1 : 0) + seed - 1;
        return [score(`score${child}`, { "FD-classifier": fd, "precision-classifier": 1 - fd / 100 }), child] as const;
      })
    )
  );
  const samples = metrics.map(([, child]) => grid(`sample${child}`));
  const shared = score("score~lr=0.1", { "FD-pixels": 3 });
  const { body, shown } = sweepOf({ metrics: [...metrics.map(([one]) => one), shared], samples })!;
  const html = markup`${body}`.text;
  assertEquals(textsOf(html), [
    ["lr", "objective", "FD-classifier", "FD-pixels", "precision-classifier"],
    ["0.1", "eps", "5.0 ± 1.0", "3", "0.950 ± 0.010"],
    ["0.1", "v", "6.0 ± 1.0", "3", "0.940 ± 0.010"],
    ["0.001", "eps", "9.0 ± 1.0", "", "0.910 ± 0.010"],
    ["0.001", "v", "10.0 ± 1.0", "", "0.900 ± 0.010"],
  ]);
  // Distances are best where they are low, precision where it is high.
  assertEquals(
    [...html.matchAll(/<data value="([^"]*)" class="best"/g)].map(([, value]) => Number(Number(value).toFixed(6))),
    [
      5,
      3,
      0.95,
      3,
    ],
  );
  assertMatch(
    html,
    /Best: <b>lr=0\.1, objective=eps<\/b> with FD-classifier 5\.0 ± 1\.0, the mean of 3 seeds \(lower is better\)\./,
  );
  assertStringIncludes(html, "4 settings; means of 3 seeds, with their deviation (n - 1)");
  const charts = [...html.matchAll(/data-runs="([^"]*)" data-x="(\w+)"[^>]*>/g)].map(([all, runs, axis]) => ({
    axis,
    isLog: all.includes(" data-log"),
    runs: JSON.parse(runs!.replaceAll("&#34;", '"')),
  }));
  assertEquals(charts, [
    {
      axis: "lr",
      isLog: true,
      runs: [
        {
          label: "objective=eps",
          rows: [{ step: 0.001, "FD-classifier": 9, "±FD-classifier": 1 }, {
            step: 0.1,
            "FD-classifier": 5,
            "±FD-classifier": 1,
          }],
        },
        {
          label: "objective=v",
          rows: [{ step: 0.001, "FD-classifier": 10, "±FD-classifier": 1 }, {
            step: 0.1,
            "FD-classifier": 6,
            "±FD-classifier": 1,
          }],
        },
      ],
    },
    {
      axis: "objective",
      isLog: false,
      runs: [
        {
          label: "lr=0.001",
          rows: [{ step: 0, "FD-classifier": 9, "±FD-classifier": 1 }, {
            step: 1,
            "FD-classifier": 10,
            "±FD-classifier": 1,
          }],
        },
        {
          label: "lr=0.1",
          rows: [{ step: 0, "FD-classifier": 5, "±FD-classifier": 1 }, {
            step: 1,
            "FD-classifier": 6,
            "±FD-classifier": 1,
          }],
        },
      ],
    },
  ]);
  assertEquals([...html.matchAll(/data-name="([^"]*)"/g)].map(([, name]) => name), [
    "lr=0.1, objective=eps",
    "lr=0.1, objective=v",
    "lr=0.001, objective=eps",
    "lr=0.001, objective=v",
  ]);
  assertEquals(shown.size, samples.length);
});

Deno.test("seeds alone make a table of seeds, and one setting makes none", () => {
  const seeds = [0, 1].map((seed) => score(`score~seed=${seed}`, { FID: seed + 1 }));
  const html = markup`${sweepOf({ metrics: seeds, samples: [] })!.body}`.text;
  assertEquals(textsOf(html), [["seed", "FID"], ["0", "1"], ["1", "2"]]);
  const page = renderReport({ ...NOTHING, metrics: seeds });
  assertMatch(page, /<dt>FID<\/dt><dd><button[^>]*>1\.50<\/button>\s*<small>± 0\.71<\/small>.*Mean of 2 seeds/s);
  assertEquals(sweepOf({ metrics: [score("score", { FID: 1 }), score("other", { FID: 2 })], samples: [] }), undefined);
});

Deno.test("a page of 2,000 stages is below 5 MB and 5,000 elements, and has the rest where a reader asks for it", () => {
  const children = Array.from({ length: 200 }, (_, i) => `~lr=${i + 1}`);
  const rows = Array.from({ length: 2_000 }, (_, i) => ({
    ...{ step: i + 1, loss: 1 / (i + 1), gradNorm: 0.123456, learningRate: 1e-3 },
  }));
  const html = renderReport({
    ...NOTHING,
    stages: Array.from({ length: 10 }, (_, i) => children.map((child) => `stage${i}${child}`)).flat()
      .map((id) => ({ id, kind: "train", state: "ran", reads: [], params: [], durationMs: 1_000, numerics: "onnx" })),
    curves: children.map((child) => ({ title: `train${child}`, rows })),
    samples: children.map((child) => ({ ...grid(`sample${child}`), source: new Uint8Array(5_000) })),
    metrics: children.map((child, i) => score(`score${child}`, { FID: i, KID: i })),
  });
  assert(html.length < 5e6, `${html.length}`);
  const elements = html.replaceAll(/ data-more="[^"]*"/g, "").match(/<[a-z]/g)!.length;
  assert(elements < 5_000, `${elements}`);
  for (const words of ["show 188 more", "show 1,960 more"]) assertStringIncludes(html, words);
  assertStringIncludes(html, "stage9~lr=200");
});

Deno.test("settings are copied as a pipeline file has them; very long ones are not kept twice", () => {
  const stage = (value: unknown) => ({
    ...{ id: "train", kind: "train", state: "ran", reads: [] },
    params: [
      { path: "with.model.multipliers", value: [1, 2], origin: ["p.yaml:1:2"] },
      { path: "with.note", value, origin: [] },
      { path: "with.__proto__.a", value: 1, origin: [] },
      { path: "seed", value: 7, origin: [] },
    ],
  });
  const [button] = settingsOf([stage("a: #b\n'\"")]);
  const copied = /data-copy="([^"]*)"/.exec(button!.text)![1]!.replaceAll(
    /&#(\d+);/g,
    (_, code) => String.fromCharCode(code),
  );
  const { train } = parse(copied).stages;
  assertEquals(
    [train.uses, train.seed, train.with.model, train.with.note],
    ["train", 7, { multipliers: [1, 2] }, "a: #b\n'\""],
  );
  assertEquals(settingsOf([stage("x".repeat(30_000))])[0]!.text, "");
  assertEquals(settingsOf([]), []);
});
