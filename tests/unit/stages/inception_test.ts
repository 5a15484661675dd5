import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { decodeNpy } from "../../../science/formats/npy.ts";
import type { Metrics } from "../../../artifacts/metrics.ts";
import type { InputArtifact } from "../../../engine/contract/stage.ts";
import { featuresKind, scoreKind, statisticsKind } from "../../support/builtin_kinds.ts";
import { distanceName } from "../../../stages/score/figures.ts";
import { INCEPTION, INCEPTION_WEIGHTS } from "../../../stages/shared/inception.ts";
import { NARROW_WEIGHTS } from "../../support/inception.ts";
import { runStage, type StageOutcome } from "../../support/stage_context.ts";
import { assertAllClose } from "../science/diffusion/assert_close.ts";
import { smallImages, withFolder } from "./small_world.ts";

const bytes = await Deno.readFile(NARROW_WEIGHTS);
const sha256 = createHash("sha256").update(bytes).digest("hex");
const NARROW = { extractor: INCEPTION, path: NARROW_WEIGHTS, sha256, limit: 3 };
const NAME = `inception-${sha256.slice(0, 8)}`;

function featuresOf(folder: string, images: InputArtifact, params = {}): Promise<StageOutcome> {
  return runStage(folder, featuresKind, { params: { ...NARROW, ...params }, inputs: { images } });
}

async function failure(outcome: Promise<StageOutcome>): Promise<string> {
  const { end } = await outcome;
  assert(end?.status === "failed", JSON.stringify(end));
  return `${end.message}. ${end.fix}`;
}

Deno.test("features over Inception are named for their weights, and compared only where resized alike", async () => {
  await withFolder(async (folder) => {
    const { test } = await smallImages(folder);
    const of = async (params: Record<string, unknown>) => (await featuresOf(folder, test, params)).outputs["features"]!;
    const [a, b, c] = [await of({}), await of({ batchSize: 2 }), await of({ resize: "pytorch-fid" })];
    const { extractor, logits } = JSON.parse(await a.readText("features.json"));
    assertEquals([extractor.name, extractor.sha256, logits], [NAME, sha256, 31]);
    assertEquals(extractor.preprocessing, { resize: "tensorflow" });
    const [first, second] = [decodeNpy(await a.read("features.npy")), decodeNpy(await b.read("features.npy"))];
    // The last batch is not full; batches of other sizes are summed in another order, float32.
    assertAllClose(second.data, first.data, { abs: 1e-6 });

    const score = (real: InputArtifact, fake: InputArtifact) =>
      runStage(folder, scoreKind, { params: { inceptionScore: { splits: 1 } }, inputs: { real, fake } });
    const { outputs } = await score(a, b);
    const { metrics }: Metrics = JSON.parse(await outputs["metrics"]!.readText("metrics.json"));
    assertEquals(metrics.map(({ name }) => name), [`FD-${NAME}`, `IS-${NAME}`]);
    const said = "resized differently cannot be compared: got resize pytorch-fid, wanted tensorflow";
    assertStringIncludes(await failure(score(a, c)), said);

    const { outputs: { statistics } } = await runStage(folder, statisticsKind, { params: {}, inputs: { features: a } });
    const given = { path: statistics!.path("statistics.npz"), extractor: NAME, count: 3, resize: "pytorch-fid" };
    const { outputs: file } = await runStage(folder, statisticsKind, { params: given });
    assertStringIncludes(await failure(score(file["statistics"]!, a)), "got resize tensorflow, wanted pytorch-fid");
  });
});

Deno.test("features out of memory advise less than the batch that was in use", async () => {
  await withFolder(async (folder) => {
    const { test } = await smallImages(folder);
    const fixOn = async (name: string, params = {}) => {
      const onReport = () => {
        throw new Error("out of memory");
      };
      const options = { params: { ...NARROW, ...params }, inputs: { images: test }, device: { name, numerics: "n" } };
      return await failure(runStage(folder, featuresKind, { ...options, onReport }));
    };
    // A processor takes no more than 8 at once, whatever the file says.
    assertStringIncludes(await fixOn("onnx"), "out of memory with batchSize 8: out of memory. set batchSize: 4, or");
    assertStringIncludes(
      await fixOn("onnx", { batchSize: 2 }),
      "with batchSize 2: out of memory. set batchSize: 1, or",
    );
  });
});

Deno.test("a file that is not the weights is refused in one sentence", async () => {
  await withFolder(async (folder) => {
    const { test } = await smallImages(folder);
    const wrong = await failure(featuresOf(folder, test, { sha256: undefined }));
    assertStringIncludes(wrong, `planned: got SHA-256 ${sha256}, wanted ${INCEPTION_WEIGHTS.sha256}`);
    const path = join(folder, "cut.pth");
    for (const [content, said] of [[bytes.subarray(0, 90_000), "weights"], [Uint8Array.of(1, 2), "weights"]] as const) {
      await Deno.writeFile(path, content);
      const own = createHash("sha256").update(content).digest("hex");
      assertStringIncludes(await failure(featuresOf(folder, test, { path, sha256: own })), `cannot use the ${said}: `);
    }
  });
});

Deno.test("FID, KID and IS are names for the published weights and for statistics that are said to be of them", () => {
  const extractor = {
    name: INCEPTION,
    sha256: INCEPTION_WEIGHTS.sha256,
    dimension: 2048,
    preprocessing: { resize: "tensorflow" } as Record<string, unknown>,
  };
  type Set = Parameters<typeof distanceName>[0][number];
  const name = (...sets: Set[]) => distanceName([{ extractor }, ...sets], "FID", "FD");
  const given = { ...extractor, sha256: null, preprocessing: { file: "given", resize: "pytorch-fid" } };
  for (const sets of [[], [{ extractor: given }], [{ extractor, logits: { classes: 1008 } }]]) {
    assertEquals(name(...sets), "FID");
  }
  const others: Set[] = [
    { extractor: { ...extractor, name: "pixels" } },
    { extractor: { ...extractor, sha256: "0" } },
    { extractor: { ...extractor, sha256: null } },
    { extractor: { ...extractor, dimension: 4 } },
    { extractor: { ...extractor, preprocessing: {} } },
    { extractor: { ...given, preprocessing: { file: "given", resize: "mine" } } },
    { extractor, logits: { classes: 3 } },
  ];
  for (const other of others) assertEquals(name(other), `FD-${INCEPTION}`);
});

Deno.test("the checks say what of Inception does not fit before anything runs", () => {
  const images = { height: 8, width: 8, channels: 3, count: 20, classes: null };
  const check = (params: unknown, facts = images) =>
    featuresKind.check!(featuresKind.params.parse({ extractor: INCEPTION, ...params as object }), { images: facts });
  const places = (params: unknown, facts = images) =>
    check(params, facts).problems.map(({ param, input }) => param?.join(".") ?? input);
  assertEquals(places({}), []);
  assertEquals(places({ sha256 }), ["sha256"]);
  assertEquals(places({ path: "a", url: "https://a/b" }), ["url"]);
  assertEquals(places({ preprocess: { size: 8 } }), ["preprocess"]);
  assertEquals(places({ extractor: "pixels", resize: "tensorflow" }), ["resize"]);
  assertEquals(places({}, { ...images, channels: 2 }), ["images"]);

  const facts = (params: unknown) => check(params).facts!["features"]!;
  const score = (real: unknown, fake: unknown) =>
    scoreKind.check!(scoreKind.params.parse({}), { real: facts(real), fake: facts(fake) }).problems.length;
  assertEquals([score({}, { resize: "tensorflow" }), score({}, { resize: "pytorch-fid" })], [0, 1]);
  for (const extractor of [INCEPTION, NAME]) {
    const statistics = statisticsKind.params.parse({ path: "a", extractor, count: 50_000 });
    const { problems, facts } = statisticsKind.check!(statistics, {});
    assertEquals(problems.map(({ wanted }) => wanted), ["resize"]);
    const known = { statistics: { ...facts!["statistics"], resize: "tensorflow" } };
    const sets = { real: facts!["statistics"]!, fake: known.statistics };
    assertEquals(scoreKind.check!(scoreKind.params.parse({}), sets).problems.map(({ got }) => got), [
      "resize tensorflow",
    ]);
  }
  const fetched = statisticsKind.params.parse({ url: "https://a/b.npz", extractor: "mine", count: 9 });
  assertEquals(statisticsKind.check!(fetched, {}).problems.map(({ wanted }) => wanted), ["sha256"]);
});

Deno.test("the weights are fetched from where they are published, and from there alone", () => {
  const downloads = (params: unknown) => featuresKind.downloads!(featuresKind.params.parse(params));
  const [published] = downloads({ extractor: INCEPTION });
  assertEquals([published!.sha256, published!.maxBytes, published!.urls.length], [
    INCEPTION_WEIGHTS.sha256,
    95_628_359,
    2,
  ]);
  // A file at a path must have the same digest, and nothing is downloaded.
  const [held] = downloads({ extractor: INCEPTION, path: "a.pth" });
  assertEquals([held!.sha256, held!.urls], [INCEPTION_WEIGHTS.sha256, []]);
  assertEquals(downloads({ extractor: "onnx", path: "a.onnx" }), []);
});
