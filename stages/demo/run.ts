import type { FileContent } from "../../contract/stage.ts";
import { readDecoder, type StoredDecoder, writeAutoencoder } from "../../artifacts/autoencoder.ts";
import { filesOf, readCheckpoint } from "../../artifacts/checkpoint.ts";
import { binariesFolder } from "../../tensor/wasm/describe.ts";
import { CompileError } from "../../tensor/trace/failure.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { openView } from "../shared/coder.ts";
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
  const checkpoint = await readCheckpoint(inputs.checkpoint, weights, definitions);
  const { autoencoder } = inputs;
  const decoder = autoencoder && await readDecoder(autoencoder, checkpoint.form.encoder, definitions);
  const size = decoder?.imagesOf(checkpoint.config.images);
  const half = decoder?.build(size!);
  const decoderBytes = half?.params.byteLength ?? 0;
  if (bytes + decoderBytes > MOST_BYTES) {
    return failedBy({
      message: "the weights are too large for a page",
      got: `${bytes} bytes${half === undefined ? "" : ` of the network and ${decoderBytes} of the decoder`}`,
      wanted: `at most ${MOST_BYTES}`,
      fix: `train a smaller network${half === undefined ? "" : " or autoencoder"}`,
    });
  }
  const sampler = chooseSampler(params.sampler, definitions);
  try {
    const options = { batchSize: 1, guidance, sampler };
    await withDevice({ params: { threads: 1 }, device }, async (device) => {
      await openSampler(checkpoint, { device, ...options });
      if (decoder !== undefined) await openView(decoder, size!, { device, batchSize: 1 });
    });
  } catch (error) {
    if (!(error instanceof CompileError)) return faultOf(error);
    const [problem, fix] = error.message.replace('use device "onnx", or ', "").split(". Fix: ");
    return { status: "failed", message: `no page can sample this network: ${problem}`, fix: fix! };
  }
  const embedded: Record<string, string> = {};
  for (const { path } of files) embedded[path] = (await inputs.checkpoint.read(path)).toBase64();
  const decoding = half && await heldDecoder(decoder!, half);
  const { images, step, parameters } = checkpoint.config;
  const [on, shown] = size === undefined ? [images.source["name"] ?? "images", images] : ["latents of images", size];
  const page = renderPage({
    title,
    about: `A network of ${parameters.toLocaleString("en")} parameters, trained for ${step.toLocaleString("en")} ` +
      `steps on ${on} of ${shown.height}x${shown.width} pixels. This page samples it in your browser${
        half === undefined ? "" : ", and has a decoder for what it samples, with " +
          `${half.autoencoder.count.toLocaleString("en")} parameters, ${(decoderBytes / 1e6).toFixed(1)} MB`
      }.`,
    code: await Deno.readTextFile(packages["browser"]!),
    data: {
      files: embedded,
      ...definedOnly({ decoder: decoding }),
      weights,
      wasm: (await Deno.readFile(`${binariesFolder()}tfjs-backend-wasm-simd.wasm`)).toBase64(),
      defaults: { count, seed, sampler: params.sampler, guidance },
    },
  });
  await outputs.files.write("demo.html", page);
  return undefined;
});

/** Writes the decoder's part of an autoencoder. @returns its files in base64, by name */
async function heldDecoder(
  { config: { ema: { others: _, ...ema }, ...config } }: StoredDecoder,
  { autoencoder, params }: ReturnType<StoredDecoder["build"]>,
): Promise<Readonly<Record<string, string>>> {
  const files: Record<string, string> = {};
  const write = async (name: string, content: FileContent | string) => {
    files[name] = (await new Blob([content].flat() as BlobPart[]).bytes()).toBase64();
  };
  await writeAutoencoder({ folder: "", write }, {
    config: { ...config, ema, parameters: autoencoder.count },
    layout: autoencoder,
    weights: { raw: params },
  });
  return files;
}
