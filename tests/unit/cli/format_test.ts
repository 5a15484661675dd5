import { assertEquals, assertThrows } from "@std/assert";
import { z } from "zod";
import { countOf, formatDuration, parseCount } from "../../../cli/format/units.ts";
import { describeParams } from "../../../schemas/describe_params.ts";
import { shortNumber, withDeviation } from "../../../std/figures.ts";
import { formatForecast, formatLive, formatReason, formatState } from "../../../cli/format/plan.ts";
import { formatTable, styleFor } from "../../../cli/io.ts";
import {
  detailsOfFinished,
  linesOfRunFinished,
  phraseFinished,
  phraseQueue,
  TextReporter,
} from "../../../cli/reporters.ts";
import { execution, extent, type PlannedAction, type StageFinished } from "noiseline/engine";

const [S, M, H, D] = [1e3, 60e3, 3600e3, 86400e3];

Deno.test("formatDuration() takes the largest units that matter, and rounds over into the next", () => {
  const wanted: [ms: number, text: string][] = [
    [0, "0.0s"],
    [44, "0.0s"],
    [9.94 * S, "9.9s"],
    [9.95 * S, "10s"],
    [59.4 * S, "59s"],
    [59.6 * S, "1m 00s"],
    [185 * S, "3m 05s"],
    [H - 400, "1h 00m"],
    [2 * H + 10 * M, "2h 10m"],
    [47 * H + 59.6 * M, "2d 0h"],
    [3 * D + 4.4 * H, "3d 4h"],
    [730 * D, "730d 0h"],
    [1000 * D, "2.7 years"],
  ];
  // A clock that was set back.
  assertEquals([-1, -3_600_000].map(formatDuration), ["0.0s", "0.0s"]);
  for (const [ms, text] of wanted) assertEquals(formatDuration(ms), text, String(ms));
});

Deno.test("formatTable() shows each cell in one line without what acts on a terminal, and pads for no giant", () => {
  const giant = "x".repeat(5_000);
  assertEquals(formatTable([["a\nb", "1"], ["c\u202e", "2"], [giant, "3"]]), [
    `a b${" ".repeat(59)}1`,
    `c\\u202e${" ".repeat(55)}2`,
    `${"x".repeat(500)}…  3`,
  ]);
});

Deno.test("formatTable() pads columns to their widest cell and trims line ends", () => {
  assertEquals(formatTable([["a", "bbb", "c"], ["aaaa", "", ""], ["a"]]), ["a     bbb  c", "aaaa", "a"]);
  assertEquals(formatTable([]), []);
});

Deno.test("parseCount() takes positive whole numbers alone", () => {
  assertEquals(parseCount("12"), 12);
  for (const text of ["0", "-1", "1.5", "x", "", "1e400"]) assertThrows(() => parseCount(text));
});

Deno.test("describeParams() says type, default, role and description of each param", () => {
  const params = z.strictObject({
    steps: extent(z.int().min(1).describe("how far")),
    device: execution(z.enum(["auto", "onnx"]).default("auto")),
    list: z.array(z.int()).optional(),
    model: z.strictObject({ width: z.int().default(8).describe("of a layer"), depth: z.int() }).prefault({ depth: 2 }),
    solver: z.discriminatedUnion("name", [
      z.strictObject({ name: z.literal("euler"), steps: z.int() }),
      z.strictObject({ name: z.literal("heun").describe("second order"), steps: z.int().default(18) }),
    ]),
    how: z.union([z.literal("x"), z.number()]),
    either: z.array(z.union([z.int(), z.string()])).optional(),
  });
  const shown = describeParams(params).map(({ name, type, fallback, role, description }) =>
    [name, type, fallback, role, description].join("|")
  );
  assertEquals(shown, [
    "steps|integer||extent|how far (at least 1)",
    "device|auto | onnx|auto|execution|",
    "list|integer[]||identity|",
    "model|{ width, depth }|[object Object]|identity|",
    "model.width|integer|8|identity|of a layer",
    "model.depth|integer||identity|",
    "solver|{ name: euler, … } | { name: heun, … }||identity|",
    'solver.name|"euler"||identity|',
    "solver.steps|integer||identity|[euler] ",
    'solver.name|"heun"||identity|second order',
    "solver.steps|integer|18|identity|[heun] ",
    'how|"x" | number||identity|',
    "either|(integer | string)[]||identity|",
  ]);
});

Deno.test("formatReason() has a phrase for every reason", () => {
  const phrases = [
    formatReason({ code: "new" }),
    formatReason({ code: "param", name: "steps", from: 1, to: undefined, at: "p.yaml:1:2", origin: [] }),
    formatReason({ code: "param", name: "betas", from: "ho/quad", to: { path: null }, at: "p.yaml:1:2", origin: [] }),
    formatReason({ code: "input", name: "images", stage: "digits", from: ["a"], to: ["b"] }),
    formatReason({ code: "external", name: "file", from: "a", to: "b" }),
    formatReason({ code: "code", from: "code:a", to: "code:b" }),
    formatReason({ code: "code", from: "train/1", to: "code:b" }),
    formatReason({ code: "version", from: "train/1", to: "train/2" }),
    formatReason({ code: "upstream", stage: "train" }),
    formatReason({ code: "output-missing", files: ["a", "b", "c", "d"] }),
    formatReason({ code: "output-modified", files: ["a"] }),
    formatReason({ code: "forced" }),
  ];
  assertEquals(phrases, [
    "new",
    "param steps: 1 -> unset (p.yaml:1:2)",
    'param betas: "ho/quad" -> a file (p.yaml:1:2)',
    "input images from digits: a -> b",
    "external file: other content",
    "code: the stage's modules changed",
    "kind: train/1 -> a custom stage",
    "version: train/1 -> train/2",
    "upstream: train",
    "output missing: a, b, c",
    "output modified: a",
    "forced",
  ]);
  const long = formatReason({ code: "param", name: "x", from: "y".repeat(99), to: 1, at: "p", origin: [] });
  assertEquals(long, `param x: "${"y".repeat(59)}… -> 1 (p)`);
});

Deno.test("formatState() and formatForecast() say where a stage continues and how long it takes", () => {
  const stage = { state: "extend", fromStep: 500, stage: {}, joins: [], division: {} } as unknown as PlannedAction;
  assertEquals(formatState(stage), "extend from 500");
  assertEquals(formatState({ ...stage, state: "cached", fromStep: undefined } as unknown as PlannedAction), "cached");
  const parts = ["a~1of3", "a~2of3", "a~3of3"];
  const sharded = { state: "run", joins: parts, division: { shards: 3 } } as unknown as PlannedAction;
  const done = new Map([["a~2of3", { manifest: {} } as PlannedAction]]);
  assertEquals([formatState(sharded), formatState(sharded, done)], ["run in 3 shards", "run in 3 shards (1 done)"]);
  assertEquals(formatState({ ...sharded, state: "restore", manifest: {} } as PlannedAction), "restore");
  assertEquals(formatForecast({ known: true, durationMs: 90 * S, basis: "" }), "about 1m 30s");
  assertEquals([formatForecast({ known: false, basis: "" }), formatForecast(undefined)], ["time unknown", ""]);
});

Deno.test("phraseFinished() and its details say how a stage ended, where its files are and what to do", () => {
  const plain = styleFor({ isTTY: false });
  const base = { type: "stage-finished", id: "a", durationMs: 1500 } as const;
  const view = `${Deno.cwd()}/outputs/p/a`;
  assertEquals(phraseFinished({ ...base, state: "ran", view }, plain), "done in 1.5s -> outputs/p/a");
  assertEquals(phraseFinished({ ...base, state: "restored", view: "/else/a" }, plain), "restored -> /else/a");
  assertEquals(phraseFinished({ ...base, state: "failed" }, plain), "failed after 1.5s");
  assertEquals(phraseFinished({ ...base, state: "failed", cancelled: true }, plain), "cancelled after 1.5s");
  assertEquals(phraseFinished({ ...base, state: "interrupted" }, plain), "interrupted; run again to continue");
  const failed = { ...base, state: "failed", message: "one\ntwo", fix: "do x", log: `${Deno.cwd()}/a.log` } as const;
  assertEquals(detailsOfFinished(failed), ["one", "two", "fix: do x", "log: a.log"]);
  assertEquals(detailsOfFinished({ ...base, state: "failed" }), ["no reason was given"]);
  assertEquals(detailsOfFinished({ ...base, state: "ran", mine: `${Deno.cwd()}/a.mine` }), [
    "other files that were in its outputs are now in a.mine",
  ]);
});

Deno.test("linesOfRunFinished() sums up, says so when there was nothing to do, and shows some of many scores", () => {
  const counts = { cached: 1, restored: 0, ran: 2, failed: 0, interrupted: 0, blocked: 0 };
  const event = {
    type: "run-finished",
    pipeline: "p",
    durationMs: 2000,
    runId: "r",
    status: "done",
    counts,
    earlier: [],
    file: "p.yaml",
    outputs: "outputs/p",
  } as const;
  assertEquals(linesOfRunFinished(event), ["p: done in 2.0s (1 cached, 2 ran)"]);
  assertEquals(linesOfRunFinished({ ...event, status: "interrupted" }), [
    "p: interrupted in 2.0s (1 cached, 2 ran); the same command continues",
  ]);
  const none = { ...event, runId: undefined, counts: { ...counts, ran: 0 } };
  const blocked = { ...none, status: "failed" as const, counts: { ...none.counts, blocked: 1 } };
  assertEquals(linesOfRunFinished(blocked), ["p: failed in 2.0s (1 cached, 1 blocked)"]);
  assertEquals(linesOfRunFinished(none), ["p: nothing to do (1 stage cached)"]);
  assertEquals(linesOfRunFinished({ ...none, status: "interrupted" }), ["p: interrupted before anything ran"]);
  const scores = Array.from(
    { length: 22 },
    (_, i) => ({ experiment: "p", stage: "s", metric: `m${i}`, value: i, count: 1 }),
  );
  const lines = linesOfRunFinished({ ...event, scores, earlier: ["a", "b"] });
  assertEquals(lines[1], "outputs/p also has results of another configuration: a, b");
  assertEquals(lines.slice(-2), ["  p  s  m19  19    N 1", "  … and 2 more, which `metrics` shows"]);
  assertEquals(
    linesOfRunFinished({ ...event, scores, page: "outputs/p/report.html" }).at(-1),
    "page: outputs/p/report.html",
  );
});

Deno.test("styleFor() colours on terminals alone", () => {
  assertEquals(styleFor({ isTTY: false }).error("x"), "x");
});

Deno.test("phraseQueue() counts jobs by what they wait for, and names three of each", () => {
  const waiting = { "for other jobs (Dependency)": ["a", "b", "c", "d"], "held by the user (JobHeldUser)": ["e"] };
  assertEquals(
    phraseQueue({ type: "queue-changed", running: 2, waiting }),
    "jobs: 2 running; 4 waiting for other jobs: a, b, c, …; 1 waiting, held by the user: e",
  );
  assertEquals(phraseQueue({ type: "queue-changed", running: 1, waiting: {} }), "jobs: 1 running");
});

Deno.test("withDeviation() gives a deviation two digits, and its value to the same place", () => {
  // Rounded by hand.
  const wanted: [value: number, deviation: number, text: string][] = [
    [4, 2.6458, "4.0 ± 2.6"],
    [12.3456, 0.12345, "12.35 ± 0.12"],
    [0.98765, 0.0999, "0.99 ± 0.10"],
    [1234.5, 99.6, "1230 ± 100"],
    [98765, 1234, "98800 ± 1200"],
    [0.5, 0.00123, "0.5000 ± 0.0012"],
    [-3.14159, 0.25, "-3.14 ± 0.25"],
    [3.14159, 0, "3.142 ± 0"],
    [1e-12, 2e-13, "1e-12 ± 2e-13"],
    [1, NaN, "1 ± NaN"],
  ];
  for (const [value, deviation, text] of wanted) assertEquals(withDeviation(value, deviation).join(" "), text);
  assertEquals(shortNumber(2.64575), "2.646");
});

Deno.test("countOf() has no s after one alone", () => {
  assertEquals([0, 1, 2].map((count) => countOf(count, "file")), ["0 files", "1 file", "2 files"]);
});

Deno.test("formatLive() says how far a stage is, with the last of its first figure", () => {
  const figures = { loss: { last: 0.04215, lowest: 0.04, at: 3 }, gradNorm: { last: 1, lowest: 1, at: 1 } };
  const progress = { at: "", done: 3, total: 9, unit: "step", perSecond: 1.5, figures };
  assertEquals(formatLive({ progress, etaMs: 4_000 }), "step 3 of 9, 1.5/s, ETA 4.0s, loss 0.04215");
  assertEquals(formatLive({ progress: { ...progress, figures: {} }, etaMs: undefined }, "x"), "x: step 3 of 9, 1.5/s");
});

Deno.test("results that are restored together are one line, others keep theirs in their order", () => {
  const lines: string[] = [];
  const { writeSync } = Deno.stdout;
  Deno.stdout.writeSync = (bytes) => (lines.push(...new TextDecoder().decode(bytes).trim().split("\n")), bytes.length);
  try {
    const reporter = new TextReporter();
    const end = (id: string, more: Partial<StageFinished>) =>
      reporter.emit({ type: "stage-finished", id, state: "restored", durationMs: 0, ...more } as StageFinished);
    ["a", "b", "c"].forEach((id) => end(id, {}));
    end("d", { state: "cached" });
    end("e", { message: "from the shared cache" });
    end("f", { state: "ran", durationMs: 1_000 });
    end("g", {});
    end("h", { state: "ran", durationMs: 2_000 });
  } finally {
    Deno.stdout.writeSync = writeSync;
  }
  assertEquals(lines, [
    "restored 3 results from the store: a, b, c",
    "e: restored from the shared cache",
    "f: done in 1.0s",
    "g: restored",
    "h: done in 2.0s",
  ]);
});
