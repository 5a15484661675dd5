import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { facts as imageFacts, writeImages } from "../../../artifacts/images.ts";
import { facts as checkpointFacts } from "../../../artifacts/checkpoint.ts";
import type { BuiltinKind, Facts, InputArtifact } from "../../../engine/contract/stage.ts";
import { folderArtifact, openInput, openOutput } from "../../../engine/process/context.ts";
import { classifierKind, evaluateKind, featuresKind, scoreKind } from "../../support/builtin_kinds.ts";
import { runStage } from "../../support/stage_context.ts";
import { smallCheckpoint, withFolder } from "./small_world.ts";

/** Runs a stage, and compares the metrics that it writes with those that its check tells of. */
async function namesAgree(
  folder: string,
  kind: unknown,
  { params, inputs, facts }: {
    params: Record<string, unknown>;
    inputs: Record<string, InputArtifact>;
    facts: Record<string, Facts>;
  },
) {
  const { params: schema, check } = kind as BuiltinKind;
  const told = check!(schema.parse(params), facts).facts!["metrics"]!["names"];
  const { end, outputs } = await runStage(folder, kind as typeof scoreKind, { params, inputs: inputs as never });
  assertEquals(end, undefined);
  const { metrics } = JSON.parse(await outputs["metrics"]!.readText("metrics.json"));
  const whole = (metrics as { name: string; label?: unknown; timesteps?: unknown }[])
    .filter(({ label, timesteps }) => label === undefined && timesteps === undefined).map(({ name }) => name);
  assertEquals(told, whole, JSON.stringify(params));
  return outputs;
}

Deno.test("kinds tell before they run which metrics of all images they write", async () => {
  await withFolder(async (folder) => {
    const { images, test, checkpoint } = await smallCheckpoint(folder);
    const [ofImages, ofTest] = [await imageFacts(images), await imageFacts(test)];
    const facts = { checkpoint: await checkpointFacts(checkpoint), images: ofTest };
    for (const bound of [undefined, { timesteps: 2 }]) {
      const params = { buckets: 2, ...(bound === undefined ? {} : { bound }) };
      await namesAgree(folder, evaluateKind, { params, inputs: { checkpoint, images: test }, facts });
    }
    const bounded = evaluateKind.params.parse({ bound: { timesteps: 2 } });
    const namesOf = (dtype: string | null) =>
      evaluateKind.check!(bounded, { ...facts, checkpoint: { ...facts.checkpoint, dtype } })
        .facts!["metrics"]!["names"];
    // Bits of another depth have another name, so that nothing compares them.
    const deep = ["bits/dim of 16 bits", "bits/dim of 16 bits L_T"];
    assertEquals(namesOf("uint16"), ["L_simple", ...deep]);
    assertEquals(namesOf(null), ["L_simple", "bits/dim", "bits/dim L_T", ...deep]);
    const { classifier } = await namesAgree(folder, classifierKind, {
      params: { steps: 1, batchSize: 4, base: 4 },
      inputs: { images, test },
      facts: { images: ofImages, test: ofTest },
    });
    const features = async (of: InputArtifact) => {
      const inputs = { images: of, classifier: classifier! };
      return (await runStage(folder, featuresKind, { params: { extractor: "classifier" }, inputs }))
        .outputs["features"]!;
    };
    const sets = [
      [{ real: images, fake: test }, { real: ofImages, fake: ofTest }],
      [
        { real: await features(images), fake: await features(test) },
        { real: { extractor: "classifier" }, fake: { extractor: "classifier" } },
      ],
    ] as const;
    const extras = [{ fdInfinity: true }, { kid: { size: 4, subsets: 2 } }, { manifold: {} }, { perClass: true }];
    const chosen = [{}, ...extras, { fd: false, ...extras[1], ...extras[2] }, Object.assign({}, ...extras)];
    const write = async (name: string, count: number) => {
      const place = join(folder, name);
      Deno.mkdirSync(place);
      const pixels = Float32Array.from({ length: count * 2 }, (_, i) => Math.sin(i + count));
      await writeImages(openOutput(place), { info: { height: 1, width: 1, channels: 2 }, pixels });
      return openInput(folderArtifact(place, "images"));
    };
    const points = { real: await write("points", 20), fake: await write("others", 12) };
    const ofPoints = { real: await imageFacts(points.real), fake: await imageFacts(points.fake) };
    for (const params of [{}, { fd: false }]) {
      await namesAgree(folder, scoreKind, { params, inputs: points, facts: ofPoints });
    }
    for (const side of [10, 11]) {
      const [real, fake] = await Promise.all([3, 5].map(async (step) => {
        const place = await Deno.makeTempDir({ dir: folder });
        const pixels = Uint8Array.from({ length: 4 * side * side }, (_, i) => i * step);
        await writeImages(openOutput(place), { info: { height: side, width: side, channels: 1 }, pixels });
        return openInput(folderArtifact(place, "images"));
      }));
      // Images have no SSIM with a side below 11.
      await namesAgree(folder, scoreKind, {
        params: { reconstruction: true },
        inputs: { real: real!, fake: fake! },
        facts: { real: await imageFacts(real!), fake: await imageFacts(fake!) },
      });
    }
    for (const [inputs, known] of sets) {
      const logits = "extractor" in known.real ? [{ inceptionScore: { splits: 2 } }] : [];
      for (const params of [...chosen, ...logits]) {
        await namesAgree(folder, scoreKind, { params, inputs, facts: known });
      }
    }
  });
});
