import { oneHotLabels } from "../../diffusion/model_output.ts";
import type { NetworkSizes } from "../../diffusion/define.ts";
import type { HostTensors } from "../../tensor/mod.ts";

/**
 * Converts bytes of pixels to the network's numbers, x / 127.5 - 1, in [-1, 1] (hojonathanho/diffusion).
 *
 * @param out of the same length, filled
 */
export function bytesToUnit(bytes: Uint8Array, out: Float32Array): void {
  for (let i = 0; i < bytes.length; i++) out[i] = bytes[i]! / 127.5 - 1;
}

/**
 * Converts the network's numbers to bytes, (x + 1) 127.5 clipped to [0, 255] and truncated, not rounded: published
 * scores are of images made in this way (hojonathanho/diffusion).
 */
export function unitToBytes(values: Float32Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) bytes[i] = Math.trunc(Math.min(255, Math.max(0, (values[i]! + 1) * 127.5)));
  return bytes;
}

/** Wraps numbers as inputs of a device. */
export function scalarFeeds(numbers: Readonly<Record<string, number>>): HostTensors {
  return Object.fromEntries(Object.entries(numbers).map(([name, number]) => [name, Float32Array.of(number)]));
}

/**
 * Encodes labels for a network, [B, classes + 1]; undefined for a network that is not class-conditional. A label that
 * the network was not trained with counts as none.
 */
export function tellLabels({ classes }: Pick<NetworkSizes, "classes">, labels: readonly (number | undefined)[]) {
  if (classes === undefined) return undefined;
  return oneHotLabels(labels.map((label) => label !== undefined && label < classes ? label : undefined), classes);
}
