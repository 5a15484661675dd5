import { filesOf, readCheckpoint } from "../../artifacts/checkpoint.ts";
import { binariesFolder } from "../../tensor/wasm/describe.ts";
import { CompileError } from "../../tensor/trace/failure.ts";
import { withDevice } from "../shared/device.ts";
import { faultOf } from "../shared/draw/draw_images.ts";
import { chooseSampler } from "../shared/draw/sampler.ts";
import { openSampler } from "../shared/draw/walk.ts";
import { failedBy } from "../shared/checks.ts";
import { runOf } from "../shared/run_of.ts";
import { demoKind } from "./kind.ts";
import { renderPage } from "./page.ts";

/** A page with more bytes is too much for many browsers. */
const MOST_BYTES = 128 << 20;

export default runOf(demoKind, async ({ params, seed, inputs, outputs, definitions, device, packages }) => {
  const { title, count, guidance, weights } = params;
  const names = filesOf(weights);
  const files = inputs.checkpoint.files.filter(({ path }) => names.includes(path));
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  if (bytes > MOST_BYTES) {
    return failedBy({
      message: "the weights are too large for a page",
      got: `${bytes} bytes`,
      wanted: `at most ${MOST_BYTES}`,
      fix: "train a smaller network",
    });
  }
  const checkpoint = await readCheckpoint(inputs.checkpoint, weights, definitions);
  const sampler = chooseSampler(params.sampler, definitions);
  try {
    const options = { batchSize: 1, guidance, sampler };
    await withDevice({ params: { threads: 1 }, device }, (device) => openSampler(checkpoint, { device, ...options }));
  } catch (error) {
    if (!(error instanceof CompileError)) return faultOf(error);
    const [problem, fix] = error.message.replace('use device "onnx", or ', "").split(". Fix: ");
    return { status: "failed", message: `no page can sample this network: ${problem}`, fix: fix! };
  }
  const embedded: Record<string, string> = {};
  for (const { path } of files) embedded[path] = (await inputs.checkpoint.read(path)).toBase64();
  const { images, step, parameters } = checkpoint.config;
  const page = renderPage({
    title,
    about: `A network of ${parameters.toLocaleString("en")} parameters, trained for ${step.toLocaleString("en")} ` +
      `steps on ${images.source["name"] ?? "images"} of ${images.width}x${images.height} pixels. ` +
      "This page samples it in your browser.",
    code: await Deno.readTextFile(packages["browser"]!),
    data: {
      files: embedded,
      weights,
      wasm: (await Deno.readFile(`${binariesFolder()}tfjs-backend-wasm-simd.wasm`)).toBase64(),
      defaults: { count, seed, sampler: params.sampler, guidance },
    },
  });
  await outputs.files.write("demo.html", page);
  return undefined;
});
