import * as tf from "@tensorflow/tfjs-core";
import type { StoredAutoencoder } from "../../artifacts/autoencoder.ts";
import type { StoredCheckpoint } from "../../artifacts/checkpoint.ts";
import type { CheckProblem } from "../../engine/contract/stage.ts";
import type { ImageSizes } from "../../science/diffusion/define.ts";
import {
  makeModelOutput,
  modelOutputSignature,
  type Network,
  sizeOf,
  unpackTensors,
} from "../../science/diffusion/network.ts";
import type { ValueForm } from "../../science/diffusion/normalizer.ts";
import { tableOf, timePoint } from "../../science/diffusion/path.ts";
import { isOwn } from "../../schemas/definitions.ts";
import { definedOnly } from "../../std/defined_only.ts";
import { exportModel } from "../../science/tensor/onnx/export_model.ts";
import type { PureFunction, Signature } from "../../science/tensor/device.ts";
import { CompileError } from "../../science/tensor/trace/failure.ts";
import { HALVES } from "../shared/coder.ts";

type Files = Readonly<Record<string, Uint8Array>>;
type Models = { readonly value: Files } | { readonly problem: CheckProblem };

/** The key of the facts in a model's metadata. */
const METADATA_KEY = "noiseline";

/** Protocol buffers have at most 2 GiB; some of them are the graph. */
const MOST_PARAMETERS = 2 ** 29 - 2 ** 22;

/**
 * Returns `model.onnx`, the network of a checkpoint. Inputs: `x` [batch, H, W, C] as networks see images; `t` [batch],
 * int32, or float32 on a continuous path; and for class-conditional networks `labels` [batch], int32, where the number
 * of classes means no label. Output: `output` [batch, H, W, outChannels]. Facts for samplers are in the metadata.
 */
export function networkModel({ config, network, objective, path, form, params }: StoredCheckpoint): Promise<Models> {
  const { classes } = network.sizes;
  const fn = makeModelOutput(network);
  return attempt({ network: network.count }, async () => {
    const labelled: PureFunction = ({ labels, ...inputs }) =>
      fn(labels === undefined ? inputs : { ...inputs, classes: tf.oneHot(tf.cast(labels, "int32"), classes! + 1) });
    const model = await exportModel(
      (batch) => {
        const { classes, ...signature } = modelOutputSignature(network, batch!, path.continuous ? "float32" : "int32");
        return [labelled, { ...signature, ...classes && { labels: { shape: [batch!], dtype: "int32" } } }];
      },
      {
        label: "network output",
        ...heldParameters(network, params),
        metadata: metadataOf(form, network.sizes, {
          timesteps: path.timesteps,
          ...tableOf(path),
          ...recoveryOf(path, objective),
          ...definedOnly({ classes }),
          step: config.step,
        }),
      },
    );
    return { "model.onnx": model };
  });
}

/**
 * Returns `encoder.onnx`, from images `x` [batch, H, W, C] to latents `mean` [batch, h, w, c], and with a Gaussian for
 * each their `deviation`; and `decoder.onnx`, from `latents` to `x`. Height and width are free in models of a built-in
 * autoencoder; the user's code may depend on those of the images that it was trained on.
 */
export function coderModels({ config: { images, model }, form, build }: StoredAutoencoder): Promise<Models> {
  const { autoencoder, params } = build(images);
  const { latent } = autoencoder;
  // An autoencoder may be a fixed map, without weights.
  const weights: Signature = autoencoder.count === 0
    ? {}
    : { params: { shape: [autoencoder.count], dtype: "float32" } };
  const sides = isOwn(model) ? [] : ["height", "width"] as const;
  return attempt({ autoencoder: autoencoder.count }, async () => {
    const model = async (half: "encoder" | "decoder", input: string) => {
      const steps = sides.map((side) => images[side] / latent[side]);
      const free = sides.map((name, i) => ({ name, axis: i + 1, step: half === "encoder" ? steps[i]! : 1 }));
      const exported = await exportModel((batch, ...lengths) => {
        const [height = images.height, width = images.width] = lengths.map((length, i) => length * steps[i]!);
        const { autoencoder } = build({ ...images, height, width });
        const { latent } = autoencoder;
        const size = half === "encoder"
          ? [height, width, images.channels]
          : [latent.height, latent.width, latent.channels];
        return [
          ({ params, [input]: x }) =>
            HALVES[half](autoencoder, params === undefined ? {} : unpackTensors(params, autoencoder), x!),
          { ...weights, [input]: { shape: [batch!, ...size], dtype: "float32" } },
        ];
      }, {
        label: half,
        free: [{ name: "batch", axis: 0 }, ...free],
        ...heldParameters(autoencoder, params),
        metadata: metadataOf(form, isOwn(model) ? images : { channels: images.channels }),
      });
      return [`${half}.onnx`, exported] as const;
    };
    return Object.fromEntries([await model("encoder", "x"), await model("decoder", "latents")]);
  });
}

/** Makes models of a network or autoencoder with a number of parameters, or returns why it cannot be one. */
async function attempt(parameters: Readonly<Record<string, number>>, make: () => Promise<Files>): Promise<Models> {
  const [[what, count]] = Object.entries(parameters) as [[string, number]];
  if (count > MOST_PARAMETERS) {
    const fix = `read its weights, which are safetensors, or export a smaller ${what}`;
    const wanted = `at most ${MOST_PARAMETERS} parameters, since a file of ONNX holds 2 GiB`;
    return { problem: { message: `the ${what} is too large`, got: `${count} parameters`, wanted, fix } };
  }
  try {
    return { value: await make() };
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    const [message, fix] = error.message.split(/\.? Fix: /);
    return { problem: { message: message!, ...definedOnly({ fix }) } };
  }
}

/** Weights as values that a model holds, by their own names. */
function heldParameters(
  { parameters, count }: Pick<Network, "parameters" | "count">,
  params: Float32Array<ArrayBuffer>,
) {
  let end = 0;
  const starts = new Map(parameters.map((spec) => [(end += sizeOf(spec)) - sizeOf(spec), spec.name]));
  return {
    held: count === 0 ? {} : { params },
    nameOf: (_: string, start: number) => `weights/${starts.get(start) ?? start}`,
  };
}

/** Returns the facts that a program needs to use a model, as JSON. */
function metadataOf({ dtype, normalizer }: ValueForm, images: Partial<ImageSizes>, facts: object = {}) {
  const { height, width, channels } = images;
  return { [METADATA_KEY]: JSON.stringify({ height, width, channels, dtype, normalizer, ...facts }, plain) };
}

/** Writes arrays of float64 as lists. */
function plain(_: string, value: unknown): unknown {
  return value instanceof Float64Array ? [...value] : value;
}

/** Returns the factors of x_0 = x0FromX[t] x_t + x0FromOutput[t] output, if the objective gives an x_0. */
function recoveryOf(path: StoredCheckpoint["path"], { recover }: StoredCheckpoint["objective"]) {
  if (recover === undefined) return {};
  const found = Array.from({ length: path.timesteps }, (_, t) => recover(timePoint(path, t)).x0);
  return { x0FromX: found.map(({ xt }) => xt), x0FromOutput: found.map(({ output }) => output) };
}
