import { gridPng } from "../../artifacts/pictures.ts";
import type { StoredDecoder } from "../../artifacts/autoencoder.ts";
import { denormalize } from "../../science/diffusion/normalizer.ts";
import type { ContextOf } from "../../engine/contract/stage.ts";
import type { Device } from "../../science/tensor/device.ts";
import { labelsOf, makeDrawer } from "../sample/drawer.ts";
import { describeProblem } from "../shared/checks.ts";
import { openView } from "../shared/coder.ts";
import type { DrawnNetwork } from "../shared/draw/predictor.ts";
import { chooseSampler } from "../shared/draw/sampler.ts";
import { openSampler, SamplerError } from "../shared/draw/walk.ts";
import { startPreviews } from "../shared/previews.ts";
import type { trainKind } from "./kind.ts";

type Context = ContextOf<typeof trainKind>;

/**
 * Starts the previews of a training. They have their own random streams and compiled functions. All previews start from
 * the same noise, so that they show the same images getting better.
 *
 * @param learned the network, objective and path @param weights returns the current averaged weights
 * @param decoder shows latents as images
 */
export function startSamplePreviews(
  context: Context,
  device: Device,
  learned: Omit<DrawnNetwork, "params">,
  { weights, decoder }: {
    readonly weights: () => Promise<Float32Array<ArrayBuffer>>;
    readonly decoder: StoredDecoder | undefined;
  },
) {
  return startPreviews(context, device, async (device) => {
    return await draw(context, device, { ...learned, params: await weights() }, decoder);
  }, reasonOf);
}

/** Describes an error of a preview, which must not end the training. */
function reasonOf(error: unknown): string {
  return error instanceof SamplerError ? describeProblem({ ...error.problem, message: error.message }) : `${error}`;
}

/**
 * Samples images as `sample` does, with every class in turn.
 *
 * @returns a PNG
 */
async function draw(
  { params: { preview }, seed, definitions, stop }: Context,
  device: Device,
  learned: DrawnNetwork,
  decoder: StoredDecoder | undefined,
): Promise<Uint8Array> {
  const { count, sampler } = preview!;
  const { form, network: { sizes } } = learned;
  const options = { sampler: chooseSampler(sampler, definitions), device, batchSize: count };
  const walk = await openSampler(learned, options);
  const how = { params: { batchSize: count }, seed, stream: "preview" };
  const drawer = makeDrawer(how, learned, walk, { labelOf: labelsOf({}, sizes) });
  const { images } = await drawer.draw(0, () => stop.throwIfAborted());
  const values = denormalize(images, form);
  const size = decoder?.imagesOf(sizes) ?? sizes;
  const view = decoder && await openView(decoder, size, options);
  return gridPng([await view?.show([values]) ?? values], size, decoder?.form ?? form);
}
