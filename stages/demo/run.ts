import type { FileContent } from "../../engine/contract/stage.ts";
import { readDecoder, type StoredDecoder, writeAutoencoder } from "../../artifacts/autoencoder.ts";
import { filesOf, readCheckpoint } from "../../artifacts/checkpoint.ts";
import { binariesFolder } from "../../science/tensor/wasm/describe.ts";
import { CompileError } from "../../science/tensor/trace/failure.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { withDevice } from "../shared/device.ts";
import { faultOf } from "../shared/draw/draw_images.ts";
import { failedBy } from "../shared/checks.ts";
import { runOf } from "../shared/run_of.ts";
import type { Frame, StoredFrame, Task } from "./browser/protocol.ts";
import { fitPage, sampleFrames } from "./frames.ts";
import { demoKind } from "./kind.ts";
import { modelOf } from "./model.ts";
import { renderPage } from "./page.ts";

/** A page with more bytes is too much for many browsers. */
const MOST_BYTES = 128 << 20;

const BATCH = 16;

export default runOf(
  demoKind,
  async ({ params, seed, inputs, outputs, definitions, device, packages, stop, report }) => {
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
    const model = modelOf(checkpoint, decoder, params.sampler, definitions);
    const task: Task = { seed, sampler: params.sampler, guidance, labels: "cycle" };
    const { total, most } = fitPage(count, model.images);
    const made: StoredFrame[] = [];
    try {
      await withDevice({ params: { threads: 1 }, device }, async (device) => {
        for (let first = 0; first < total; first += BATCH) {
          const batch = { task, first, count: Math.min(BATCH, total - first) };
          await sampleFrames({ checkpoint, decoder, definitions }, device, batch, {
            most,
            onStep: () => stop.throwIfAborted(),
            see: (frame) => made.push(storedFrame(first, frame)),
          });
          report({ done: first + batch.count, total, unit: "image" });
        }
      });
    } catch (error) {
      if (stop.aborted) return { status: "interrupted", step: 0 };
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
        model,
        start: { task, count },
        made,
      },
    });
    await outputs.files.write("demo.html", page);
    return undefined;
  },
);

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

/** Writes a frame as the page holds it: the latents of the end alone, from which images are inpainted. */
function storedFrame(first: number, { x, x0, latents, done, total }: Frame): StoredFrame {
  const numbers = done === total && latents !== undefined
    ? { latents: new Uint8Array(latents.slice().buffer).toBase64() }
    : {};
  return { first, done, total, x: x.toBase64(), x0: x0.toBase64(), ...numbers };
}
