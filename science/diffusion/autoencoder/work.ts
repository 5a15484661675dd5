import { type AutoencoderConfig, downsamplingOf } from "./config.ts";
import { blockActivations } from "../block_parameters.ts";
import { parametersOf, planAutoencoder } from "./plan.ts";

type Half = "encoder" | "decoder";

/**
 * Returns what one pass of one image takes through the encoder, the decoder or both: the arithmetic in GFLOP, of
 * convolutions, products and attention, two operations per multiply-add; the number of values that its operations
 * compute; and the number of the parameters that it uses, but for a codebook.
 *
 * @param config must have no problems (see `validateAutoencoder`)
 */
export function autoencoderWork(
  config: AutoencoderConfig,
  { height, width }: Readonly<Record<"height" | "width", number>>,
  halves: readonly Half[] = ["encoder", "decoder"],
) {
  const plan = planAutoencoder(config);
  const total = { gflop: 0, activations: 0, parameters: 0 };
  for (const half of halves) {
    let pixels = height * width / (half === "encoder" ? 1 : downsamplingOf(config) ** 2);
    for (const step of plan[half]) {
      pixels *= { down: 1 / 4, up: 4 }[step.layer as string] ?? 1;
      const parameters = parametersOf(step);
      for (const { name, shape } of parameters) {
        const size = shape.reduce((product, length) => product * length, 1);
        total.parameters += size;
        if (name.endsWith(".kernel")) total.gflop += 2e-9 * size * pixels;
      }
      // Attention scores and their product with the values are two more products for each pair of positions.
      if (step.attention !== undefined) total.gflop += 4e-9 * step.outChannels * pixels ** 2;
      // About as many values as in its trace.
      total.activations += step.layer === "block"
        ? blockActivations(step, pixels)
        : { norm: 4, up: 4, down: 2, conv: 1, dense: 1 }[step.layer] * step.outChannels * pixels;
    }
  }
  return total;
}
