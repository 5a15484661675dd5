import {
  learnsVariance,
  makeModelOutput,
  modelOutputSignature,
  oneHotLabels,
} from "../../science/diffusion/network.ts";
import type { NetworkSizes } from "../../science/diffusion/define.ts";
import type { Device, HostTensors } from "../../science/tensor/mod.ts";
import type { StoredCheckpoint } from "../../artifacts/checkpoint.ts";

/** Wraps numbers as inputs of a device. */
export function scalarFeeds(numbers: Readonly<Record<string, number>>): HostTensors {
  return Object.fromEntries(Object.entries(numbers).map(([name, number]) => [name, Float32Array.of(number)]));
}

/**
 * Encodes labels for a network, [B, classes + 1]; undefined for a network that is not class-conditional. A label that
 * the network was not trained with counts as none.
 */
export function encodeLabels({ classes }: Pick<NetworkSizes, "classes">, labels: readonly (number | undefined)[]) {
  if (classes === undefined) return undefined;
  return oneHotLabels(labels.map((label) => label !== undefined && label < classes ? label : undefined), classes);
}

/**
 * Puts a network with its parameters on a device, for batches of one size.
 *
 * @returns a function from images [B, H, W, C] and the time of each to the network's output, [B, H, W, outChannels]
 */
export async function bindNetwork(
  { network, path, params }: Pick<StoredCheckpoint, "network" | "path" | "params">,
  { device, batchSize }: { readonly device: Device; readonly batchSize: number },
) {
  const { height, width, outChannels } = network.sizes;
  const signature = modelOutputSignature(network, batchSize, path.continuous ? "float32" : "int32");
  const compiled = await device.compile(makeModelOutput(network), signature, { label: "network output" });
  const model = await compiled.bind({ params });
  return async (x: Float32Array<ArrayBuffer>, times: readonly number[], classes?: Float32Array<ArrayBuffer>) => {
    const output = new Float32Array(batchSize * height * width * outChannels);
    const t = path.continuous ? Float32Array.from(times) : Int32Array.from(times);
    await model.run({ x, t, ...(classes === undefined ? {} : { classes }) }, { output });
    return output;
  };
}

/**
 * Splits an output [B, H, W, outChannels] on the host into the prediction and, if the network learned one, its output
 * for the variance, [B, H, W, channels] each.
 */
export function splitOutput(output: Float32Array<ArrayBuffer>, sizes: NetworkSizes) {
  if (!learnsVariance(sizes)) return { prediction: output };
  const { channels } = sizes;
  const half = (offset: number) =>
    Float32Array.from({ length: output.length / 2 }, (_, i) => output[2 * i - i % channels + offset]!);
  return { prediction: half(0), variance: half(channels) };
}
