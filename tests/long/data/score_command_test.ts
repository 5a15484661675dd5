import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Metrics } from "../../../artifacts/metrics.ts";
import { encodeNpz } from "../../../science/formats/npz.ts";
import { encodePng } from "../../../science/formats/png_encoder.ts";
import { findBlocks, ROOT, splitShell } from "../../docs/blocks.ts";
import { NARROW_WEIGHTS } from "../../support/inception.ts";
import { Project } from "../../support/project.ts";
import { pngsOf, scoredImages } from "../../support/scored_images.ts";

const COUNT = 100;
const SHA256 = createHash("sha256").update(Deno.readFileSync(NARROW_WEIGHTS)).digest("hex");
const EXTRACTOR = `inception-${SHA256.slice(0, 8)}`;
const WEIGHTS = ["--weights", NARROW_WEIGHTS, "--sha256", SHA256];
/** The network has 64 features. */
const NARROW = [...WEIGHTS, "--at-least", "65"];

/** Lays the folders `real` and `fake`, with the images that other programs have scored. */
function lay(project: Project, count: number = COUNT): void {
  for (const [folder, seed] of [["real", 2], ["fake", 3]] as const) {
    for (const [name, bytes] of pngsOf(scoredImages(seed, count))) project.write(`${folder}/${name}`, bytes);
  }
}

const npzOf = (pixels: Uint8Array<ArrayBuffer>) =>
  encodeNpz({ arr_0: { shape: [pixels.length / (24 * 16 * 3), 24, 16, 3], data: pixels } });

/** Returns values by the name of the score, without the extractor. */
function valuesOf({ metrics }: Pick<Metrics, "metrics">): Record<string, number> {
  return Object.fromEntries(metrics.map(({ name, value }) => [name.replace(`-${EXTRACTOR}`, ""), value]));
}

// The values that the programs gave for the same folders: see dev/fid/make_scores.py.
const PEERS: Record<string, Record<string, number>> = JSON.parse(
  Deno.readTextFileSync(new URL("../../golden/inception/scores.json", import.meta.url)),
);
const NAMES: Readonly<Record<string, string>> = { fid: "FD", kid: "KD", precision: "precision", recall: "recall" };

Deno.test("score gives what pytorch-fid, torch-fidelity and clean-fid give for the same folders", async (t) => {
  await using project = new Project();
  lay(project);
  assertEquals(Object.keys(PEERS).toSorted(), ["clean-fid", "pytorch-fid", "torch-fidelity"]);
  for (const [program, wanted] of Object.entries(PEERS)) {
    await t.step(program, async () => {
      const kid = ["--set", "scored-pair.kid.subsets=1", "--set", `scored-pair.kid.size=${COUNT}`];
      const { code, json, stderr } = await project.cli(
        ["score", "real", "fake", "--resize", program, ...NARROW, ...kid, "--json"],
      );
      assertEquals(code, 0, stderr);
      const got = valuesOf(json);
      for (const [name, value] of Object.entries(wanted)) {
        const error = Math.abs(got[NAMES[name]!]! - value);
        // Features are float32. torch-fidelity also sums kernels in float32, and these are about 1: absolute.
        const most = name === "kid" ? 1e-6 : 1e-5 * value;
        assert(error < most, `${program}, ${name}: got ${got[NAMES[name]!]}, wanted ${value}`);
      }
    });
  }
});

Deno.test("what was scored once is not computed again, whichever form it has and whichever pipeline computed it", async () => {
  await using project = new Project({
    files: {
      "p.yaml": `name: demo
stages:
  drawn: { uses: images, with: { path: fake } }
  features:
    uses: features
    inputs: { images: drawn }
    with: { extractor: inception-2015-12-05, path: ${NARROW_WEIGHTS}, sha256: ${SHA256}, resize: clean-fid }
`,
    },
  });
  lay(project);
  project.write("fake.npz", npzOf(scoredImages(3)));
  const score = async (fake: string, ...options: string[]) => {
    const { code, stdout, stderr } = await project.cli(
      ["score", "real", fake, "--resize", "clean-fid", ...NARROW, ...options],
    );
    assertEquals(code, 0, stderr);
    return stdout;
  };
  const ran = (stdout: string) => [...stdout.matchAll(/^(\S+): done in/gm)].map(([, stage]) => stage!).toSorted();
  const pipeline = await project.cli(["run", "p.yaml"]);
  assertEquals(pipeline.code, 0, pipeline.stderr);
  const first = await score("fake");
  assertEquals(ran(first), ["scored-pair", "scored-real", "scored-real-images", "scored-sets"], first);
  assertStringIncludes(first, `${EXTRACTOR}, 64 an image, resize:clean-fid, SHA-256 ${SHA256}`);
  assertStringIncludes(first, "fake: 100 images, 24x16");
  const again = await score("fake");
  assertStringIncludes(again, "nothing to do");
  const figures = (stdout: string) => stdout.split("\n").filter((line) => line.endsWith("  N 100"));
  assertEquals([figures(first).length, figures(again)], [6, figures(first)]);
  // An npz is read, and found to hold the same images.
  const array = await score("fake.npz");
  assertEquals([ran(array), figures(array)], [["scored-fake-images", "scored-sets"], figures(first)], array);
  for (const result of ["p.yaml:drawn", "p.yaml:features", "p.yaml:features.features"]) {
    const found = await score(result);
    assertEquals([ran(found), figures(found)], [[], figures(first)], found);
  }
});

Deno.test("a set that turns out to be broken ends the command with 1, in words and as JSON", async () => {
  await using project = new Project();
  lay(project, 70);
  project.write("real/071.png", encodePng({ width: 4, height: 4, channels: 3, data: new Uint8Array(48) }));
  const sizes =
    "the images have 2 sizes, height x width: 24x16 (70 images, the first 000.png), 4x4 (1 image, the first 071.png)";
  const text = await project.cli(["score", "real", "fake", ...NARROW]);
  assertEquals(text.code, 1);
  assertStringIncludes(text.stderr, sizes);
  assertStringIncludes(text.stderr, "fix: set --size to cut");
  const { code, json } = await project.cli(["score", "real", "fake", ...NARROW, "--json"]);
  assertEquals([code, json.ok, json.diagnostics[0].message], [1, false, `stage "scored-real-images": ${sizes}`]);
  const squares = await project.cli(["score", "real", "fake", ...NARROW, "--size", "8", "--json"]);
  assertEquals([squares.code, squares.json.images.real.width], [0, 8], squares.stderr);
  const pixels = await project.cli(["score", "fake", "fake", "--extractor", "pixels", "--at-least", "2"]);
  assertMatch(pixels.stdout, /^features +pixels, 192 an image, pooled:to at most 8x8,range:\[-1,1\]$/m);
});

Deno.test("a file of mu and sigma is compared by its distance alone, and only with features like its own", async () => {
  await using project = new Project();
  lay(project, 70);
  const statistics = (size: number) =>
    encodeNpz({
      mu: { shape: [size], data: new Float64Array(size) },
      sigma: { shape: [size, size], data: new Float64Array(size * size).map((_, i) => i % (size + 1) === 0 ? 1 : 0) },
    });
  project.write("stats.npz", statistics(64));
  project.write("other.npz", statistics(32));
  const options = ["--resize", "pytorch-fid", "--count", "500", ...NARROW];
  const { code, json, stderr } = await project.cli(["score", "stats.npz", "fake", ...options, "--json"]);
  assertEquals(code, 0, stderr);
  assertEquals(Object.keys(valuesOf(json)), ["FD"]);
  assertEquals([json.real, Object.keys(json.images)], ["stats.npz", ["fake"]]);
  const text = await project.cli(["score", "stats.npz", "fake", ...options]);
  assertStringIncludes(text.stderr, "note: FID alone; other scores need features");
  assertStringIncludes(text.stdout, "stats.npz: mu and sigma");
  const other = await project.cli(["score", "other.npz", "fake", ...options]);
  assertEquals(other.code, 1);
  const said = `the fake set has 64 features an image, and the real one 32, both of ${EXTRACTOR}`;
  assertStringIncludes(other.stderr, said);
  assertStringIncludes(other.stderr, "correct --extractor");
  // The sets that were scored before are no reason for anything.
  assertMatch(other.stdout, /^scored-pair: run on \S+$/m);
});

Deno.test("score stops when it is told to, and goes on with the same command", async () => {
  await using project = new Project();
  lay(project);
  await using running = project.start(["score", "real", "fake", ...NARROW]);
  await running.said("scored-real: run on");
  running.signal("SIGINT");
  const { code, stderr } = await running.outcome();
  assertEquals(code, 130, stderr);
  const done = await project.cli(["score", "real", "fake", ...NARROW]);
  assertEquals(done.code, 0, done.stderr);
});

Deno.test("every command line in the page on score works, with its pipeline", async () => {
  await using project = new Project();
  const pixels = scoredImages(2, 10);
  for (const [name, bytes] of pngsOf(pixels)) {
    for (const folder of ["photographs", "samples"]) project.write(`${folder}/${name}`, bytes);
  }
  project.write("samples.npz", npzOf(pixels));
  const covariance = new Float64Array(64 * 64).map((_, i) => i % 65 === 0 ? 1 : 0);
  const sigma = { shape: [64, 64], data: covariance };
  const statistics = encodeNpz({ mu: { shape: [64], data: new Float64Array(64) }, sigma });
  project.write("fid_stats_cifar10_train.npz", statistics);
  const blocks = findBlocks(Deno.readTextFileSync(join(ROOT, "docs/score.md")), "docs/score.md");
  const [pipeline] = blocks.filter(({ language }) => language === "yaml");
  project.write("drawn.yaml", pipeline!.text);
  const made = await project.cli(["run", "drawn.yaml", "theirs"]);
  assertEquals(made.code, 0, made.stderr);
  const lines = blocks.flatMap(({ language, text }) => language === "sh" ? text.trim().split("\n") : []);
  assert(lines.length >= 5);
  for (const line of lines) {
    const [, , ...args] = splitShell(line);
    // The weights of the tests have a name of their own, and ten images are enough for their sake.
    const { code, stdout, stderr } = await project.cli([...args, ...WEIGHTS, "--at-least", "10"]);
    assertEquals(code, 0, `${line}\n${stderr}`);
    assertStringIncludes(stdout, `FD-${EXTRACTOR}`);
  }
});
