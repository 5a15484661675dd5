import { readAutoencoder, type StoredDecoder } from "../../../artifacts/autoencoder.ts";
import { labelFacts, readCheckpoint, type StoredCheckpoint } from "../../../artifacts/checkpoint.ts";
import type { ImageSize } from "../../../artifacts/facts.ts";
import type { InputArtifact, OwnDefinition } from "../../../contract/stage.ts";
import { denormalize, normalize, type ValueForm } from "../../../diffusion/normalizer.ts";
import { learnsVariance } from "../../../diffusion/network.ts";
import { samplerParams } from "../../../diffusion/samplers.ts";
import { mix } from "../../../diffusion/samplers/mix.ts";
import { FormatError } from "../../../formats/format_error.ts";
import { isOwn } from "../../../schemas/definitions.ts";
import { definedOnly } from "../../../std/defined_only.ts";
import { CompileError } from "../../../tensor/trace/failure.ts";
import { knownCells, makeDrawer as makeInpainter } from "../../inpaint/drawer.ts";
import { initialNoise, labelsOf, makeDrawer as makeSampler } from "../../sample/drawer.ts";
import { describeProblem, isError } from "../../shared/checks.ts";
import { openView } from "../../shared/coder.ts";
import { checkSampler, chooseSampler, type SamplerParam } from "../../shared/draw/sampler.ts";
import { NonFiniteImages, openSampler, SamplerError } from "../../shared/draw/walk.ts";
import { OPEN, type Opened } from "./backends.ts";
import { bytesOf } from "./protocol.ts";
import type { DemoData, Frame, FromWorker, Model, Port, Task, ToWorker } from "./protocol.ts";

/** Maximum number of frames per image; more would not make its slider better. Decoded ones cost time. */
const MOST_FRAMES = { shown: 100, decoded: 10 };

/**
 * Samples images that the page asks for, a batch at a time.
 * @param definitions the user's definitions that the page was made with
 */
export function serve(port: Port<FromWorker, ToWorker>, definitions: readonly OwnDefinition[]): void {
  let checkpoint: StoredCheckpoint | undefined;
  let decoder: StoredDecoder | undefined;
  let engine: Opened | undefined;
  let stopped = false;
  const answer = async (message: Exclude<ToWorker, { kind: "stop" }>): Promise<FromWorker> => {
    if (message.kind === "open") {
      const { backend, data, forced } = message;
      checkpoint ??= await readCheckpoint(artifactOf("checkpoint", data.files), data.weights, definitions);
      decoder ??= data.decoder && await readAutoencoder(artifactOf("autoencoder", data.decoder), "raw", definitions);
      engine = await OPEN[backend](forced, data.wasm);
      return { kind: "opened", on: engine.on, model: modelOf(checkpoint, decoder, data.defaults.sampler, definitions) };
    }
    const device = await engine!.device();
    const { task, first, count: batchSize } = message;
    const sampler = chooseSampler(task.sampler, definitions);
    try {
      const walk = await openSampler(checkpoint!, { device, batchSize, guidance: task.guidance, sampler });
      const { form, config: { images: latents } } = checkpoint!;
      const size = decoder?.imagesOf(latents) ?? latents;
      const { steps: total, draw } = drawerOf(task, batchSize, checkpoint!, walk, size);
      const view = decoder &&
        await openView({ ...decoder, form: shownForm(decoder.form) }, size, { device, batchSize });
      const decoded = async (z: Float32Array) => await view!.show([denormalize(z, form)]) as Uint8Array<ArrayBuffer>;
      const most = view === undefined ? MOST_FRAMES.shown : MOST_FRAMES.decoded;
      const see = async (done: number, x: Float32Array, x0: Float32Array) => {
        const frame: Frame = view === undefined
          ? { done, total, x: pixelsOf(x, shownForm(form)), x0: pixelsOf(x0, shownForm(form), task) }
          : { done, total, x: await decoded(x), x0: await decoded(x0), latents: x0.slice() };
        port.postMessage({ kind: "frame", frame });
      };
      const { images } = await draw(first, () => {
        if (stopped) throw new Error("The page said stop");
      }, (done, { x, x0 }, ended) => ended || done % Math.ceil(total / most) > 0 || see(done, x, x0));
      await see(total, images, images);
    } finally {
      await device.dispose();
    }
    return { kind: "drawn" };
  };
  port.onmessage = async ({ data }) => {
    stopped = data.kind === "stop";
    if (data.kind === "stop") return;
    port.postMessage(
      await answer(data).catch((error) => stopped ? { kind: "drawn" } as const : failedBy(error, checkpoint)),
    );
  };
  port.postMessage({ kind: "ready" });
}

/** Describes an error in words; `final` if the checkpoint or user code is at fault. */
function failedBy(error: Error, checkpoint?: StoredCheckpoint): FromWorker {
  const fault = error instanceof SamplerError;
  const message = fault ? describeProblem({ ...error.problem, message: error.message }) : error.message;
  const model = checkpoint?.config.model ?? {};
  const file = error instanceof CompileError && "uses" in model ? `${model.uses}: ` : "";
  const final = (fault && !(error instanceof NonFiniteImages)) || error instanceof FormatError;
  return { kind: "failed", message: file + message, final };
}

/** Wraps files as the artifact that a stage would get. */
function artifactOf(type: InputArtifact["type"], given: DemoData["files"]): InputArtifact {
  const held = Object.fromEntries(Object.entries(given).map(([name, base64]) => [name, bytesOf(base64)]));
  const read = (name: string) => Promise.resolve(held[name]!);
  const files = Object.entries(held).map(([path, { length: size }]) => ({ path, size, sha256: "" }));
  const readText = async (name: string) => new TextDecoder().decode(await read(name));
  return { type, digest: "", files, path: (name) => name, read, readText };
}

function modelOf(
  { config, network: { sizes }, path: { timesteps, tables } }: StoredCheckpoint,
  decoder: StoredDecoder | undefined,
  given: SamplerParam,
  definitions: readonly OwnDefinition[],
): Model {
  const learnedVariance = learnsVariance(sizes);
  const known = { timesteps, learnedVariance, variancePreserving: tables !== undefined, ownSampler: config.ownSampler };
  const usual = ["ddim", "dpmpp-2m", "heun", "ancestral"].filter((name) => isOwn(given) || given.name !== name);
  const variance = learnedVariance ? "learned" : "fixedsmall";
  const others = usual.map((name) => samplerParams.parse({ name, ...(name === "ancestral" ? { variance } : {}) }));
  const fits = (param: SamplerParam) =>
    !checkSampler(param, known, chooseSampler(param, definitions).definition).some(isError);
  return {
    images: decoder?.imagesOf(config.images) ?? config.images,
    ...labelFacts(config),
    timesteps,
    samplers: [given, ...others.filter(fits)],
  };
}

/** Returns the form in which the page holds images: bytes, for the network's numbers from -1 to 1 or nearly all. */
function shownForm({ dtype, normalizer }: ValueForm): ValueForm {
  if (dtype === "uint8") return { dtype, normalizer };
  const most = normalizer.how === "moments" ? 2.5 : 1;
  return { dtype: "uint8", normalizer: { ...normalizer, scale: [127.5 / most], shift: [most] } };
}

/** Converts images to bytes. As in the stage, kept pixels of an inpainted image keep their exact bytes. */
function pixelsOf(images: Float32Array, form: ValueForm, { inpaint }: Partial<Task> = {}): Uint8Array<ArrayBuffer> {
  // The kind takes checkpoints of 8-bit images only.
  const bytes = denormalize(images, form) as Uint8Array<ArrayBuffer>;
  if (inpaint === undefined) return bytes;
  const { image, kept } = inpaint;
  return bytes.map((value, i) => kept[i % kept.length] === 1 ? image[i % image.length]! : value);
}

function drawerOf(
  { seed, labels, inpaint, way }: Task,
  batchSize: number,
  checkpoint: StoredCheckpoint,
  walk: Awaited<ReturnType<typeof openSampler>>,
  size: ImageSize,
) {
  const params = { batchSize, repeats: 1 };
  if (inpaint !== undefined) {
    const told = typeof labels === "string" ? undefined : Uint8Array.from(labels);
    const { image } = inpaint;
    const images: Parameters<typeof makeInpainter>[2]["images"] = {
      info: { count: 1 },
      labels: told,
      read(indices, out) {
        const { normalizer } = shownForm(checkpoint.form);
        for (let i = 0; i < indices.length; i++) {
          if (image instanceof Float32Array) out.set(image, i * image.length);
          else normalize(image, out.subarray(i * image.length), normalizer);
        }
      },
    };
    return makeInpainter({ params, seed }, checkpoint, {
      walk,
      images,
      kept: knownCells(inpaint.kept, size, checkpoint.config.images),
    });
  }
  const labelOf = labelsOf({ labels }, labelFacts(checkpoint.config));
  const noiseOf = way && ((point: number) => {
    const end = (of: number) => initialNoise(of, walk.pixels)(way.image);
    // On a circle: the squares of the factors add up to 1, so that each point is noise as well.
    const angle = Math.PI / 2 * point / (way.points - 1);
    return mix([Math.cos(angle), end(seed)], [Math.sin(angle), end(way.to)]);
  });
  return makeSampler({ params, seed }, checkpoint, walk, { labelOf, ...definedOnly({ noiseOf }) });
}
