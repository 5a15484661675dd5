import type { UnetConfig } from "../unet/config.ts";
import type { NamedArrays } from "../unet/pack.ts";
import { sizeOf, unetParameterSpecs } from "../unet/parameters.ts";
import type { Translated } from "./problem.ts";
import { type TensorLink, unet2dLinks } from "./tensor_links.ts";

/** One tensor of a `UNet2DModel`, row-major. */
export interface Unet2dTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array<ArrayBuffer>;
}

/** The layer whose inputs are the sines and cosines of the timestep. */
const TIME_KERNEL = "time.dense1.kernel";

/** The state dict of the `UNet2DModel` of `toUnet2dConfig(config)`. @param named as from `unpackParameters` */
export function toUnet2dTensors(
  named: Readonly<Record<string, Float32Array>>,
  config: UnetConfig,
): Record<string, Unet2dTensor> {
  return Object.fromEntries(
    unet2dLinks(config).map((link) => {
      const source = named[link.ours];
      if (source === undefined) throw new RangeError(`U-Net parameter ${link.ours}: got none, wanted an array`);
      const data = new Float32Array(link.outputs * link.inputs * link.taps);
      pair(link, 0, (theirs, ours) => data[theirs] = source[ours]!);
      return [link.theirs, { shape: link.shape, data }];
    }),
  );
}

/**
 * Parameters from the state dict of a `UNet2DModel`, or the first tensor that is missing, of another shape or unknown.
 *
 * @param options.flipped whether its time embedding has cosines before sines: the rows that read them change places
 */
export function fromUnet2dTensors(
  tensors: Readonly<Record<string, Unet2dTensor>>,
  config: UnetConfig,
  { flipped }: { readonly flipped: boolean },
): Translated<NamedArrays> {
  const named: NamedArrays = {};
  for (const spec of unetParameterSpecs(config)) named[spec.name] = new Float32Array(sizeOf(spec));
  const unread = new Set(Object.keys(tensors));
  for (const link of unet2dLinks(config)) {
    const name = tensors[link.theirs] === undefined ? link.older : link.theirs;
    const tensor = tensors[name];
    if (tensor === undefined) return wrong(link.theirs, "none", `shape [${link.shape}]`);
    if (`${tensor.shape}` !== `${link.shape}`) return wrong(name, `shape [${tensor.shape}]`, `[${link.shape}]`);
    unread.delete(name);
    const target = named[link.ours]!;
    const rotation = flipped && link.ours === TIME_KERNEL ? link.inputs / 2 : 0;
    pair(link, rotation, (theirs, ours) => target[ours] = tensor.data[theirs]!);
  }
  const [extra] = unread;
  return extra === undefined ? { value: named } : wrong(extra, `shape [${tensors[extra]!.shape}]`, "no such tensor");
}

/** Visit all elements of a tensor with their places in both layouts. @param rotation of our inputs against theirs */
function pair(link: TensorLink, rotation: number, visit: (theirs: number, ours: number) => void): void {
  const { outputs, inputs, taps, ourOutputs, column } = link;
  let theirs = 0;
  for (let output = 0; output < outputs; output++) {
    for (let input = 0; input < inputs; input++) {
      const ourInput = (input + rotation) % inputs;
      for (let tap = 0; tap < taps; tap++) {
        visit(theirs++, (tap * inputs + ourInput) * ourOutputs + column + output);
      }
    }
  }
}

function wrong(name: string, got: string, wanted: string): Translated<never> {
  return {
    problem: {
      message: `the weights are not those of the network that their config.json describes: tensor ${name}`,
      got,
      wanted,
      fix: "take config.json and the weights from one save_pretrained of a UNet2DModel",
    },
  };
}
