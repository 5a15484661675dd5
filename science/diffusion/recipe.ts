/**
 * The numbers of an update that depend on its step and the settings alone. They stand apart from the tensors, since
 * planning needs them.
 *
 * @module
 */

/** Adam's constants, by the names of `torch.optim.AdamW`. */
export interface AdamConstants {
  /** Decay of the mean of the gradients, and of the mean of their squares. */
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Fraction of the learning rate by which every parameter shrinks at each step, apart from its gradient; 0: Adam. */
  readonly weightDecay: number;
}

/** The constants of Ho et al. 2020 (appendix B). TF.js would take 1e-7 for epsilon. */
export const ADAM: AdamConstants = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };

/**
 * Returns Adam's bias corrections 1 - beta^step (Kingma & Ba 2015, algorithm 1), in float64: in float32 the second one
 * is off by 6e-5 at the first step.
 *
 * @param step number of the update, from 1
 */
export function adamBiasCorrections(step: number, { beta1, beta2 }: Pick<AdamConstants, "beta1" | "beta2"> = ADAM) {
  return { biasCorrection1: 1 - beta1 ** step, biasCorrection2: 1 - beta2 ** step };
}

/** `adamStep` divides by the learning rate. This one moves no parameter of float32. */
const LEAST_RATE = 1e-30;

/** Returns the scalar inputs of `adamStep` for a step, counted from 1. */
export function adamSettings(step: number, learningRate: number, constants: AdamConstants): Record<string, number> {
  return {
    learningRate: Math.max(learningRate, LEAST_RATE),
    ...adamBiasCorrections(step, constants),
    ...(constants.weightDecay > 0 ? { shrinkage: learningRate * constants.weightDecay } : {}),
  };
}

export interface EmaOptions {
  /** In [0, 1); Ho et al. 2020 use 0.9999. */
  readonly decay: number;
  /**
   * Use min(decay, (1 + step) / (10 + step)), the `num_updates` rule of TensorFlow's ExponentialMovingAverage, so that
   * a short run does not report its initial weights. Without warm-up the decay is constant, except that the first
   * update copies the weights (hojonathanho/diffusion).
   */
  readonly warmup: boolean;
  /** Decays of further averages, by name. They warm up alike. */
  readonly others?: Readonly<Record<string, number>> | undefined;
}

/**
 * Returns an update's averages: the name of each vector, of the scalar input that is its decay, and the decay once
 * warmed up. The order is that of the names, as the order of a map is in no key.
 */
export function averagesOf({ decay = 0, others = {} }: Partial<Pick<EmaOptions, "decay" | "others">> = {}) {
  const further = Object.entries(others).sort(([a], [b]) => a < b ? -1 : 1).map(([name, decay]) => {
    return { name, vector: `ema-${name}`, input: `emaDecay-${name}`, decay } as const;
  });
  return [{ name: "ema", vector: "ema", input: "emaDecay", decay } as const, ...further];
}

/** Returns the scalar inputs of the averages for a step, counted from 1. */
export function emaSettings(step: number, ema: EmaOptions): Record<string, number> {
  const { warmup } = ema;
  return Object.fromEntries(
    averagesOf(ema).map(({ input, decay }) => [input, emaDecayAt(step, { decay, warmup })]),
  );
}

/**
 * Returns the decay of the moving average for one update. It depends on the arguments alone, so that a resumed run
 * continues as if it had not stopped.
 *
 * @param step number of the update, from 1
 */
export function emaDecayAt(step: number, { decay, warmup }: Omit<EmaOptions, "others">): number {
  if (warmup) return Math.min(decay, (1 + step) / (10 + step));
  return step === 1 ? 0 : decay;
}
