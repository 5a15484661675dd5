/** Number of losses of each timestep that the sampler remembers (openai/improved-diffusion, `resample.py`). */
const REMEMBERED = 10;

/** Share of the distribution that stays uniform, so that every timestep is still sampled. */
const UNIFORM_SHARE = 0.001;

/** The losses that the sampler has seen; part of the state of a training. */
export interface LossHistory {
  /** The last losses of each timestep, oldest first: [T, 10] row-major. */
  readonly losses: Float32Array<ArrayBuffer>;
  /** Number of losses stored for each timestep, at most 10: [T]. */
  readonly counts: Int32Array<ArrayBuffer>;
}

/** See {@linkcode lossAwareTimesteps}. */
export type LossAwareTimesteps = ReturnType<typeof lossAwareTimesteps>;

/**
 * Samples timesteps more often where the loss is large: p(t) in proportion to sqrt(E[L_t^2]) (Nichol & Dhariwal 2021,
 * eq. 18), uniform until each timestep was seen ten times. Each image's loss is then weighted by 1 / (T p), which keeps
 * the mean of the loss and lowers its variance.
 *
 * @param timesteps T @throws RangeError when the history is of another T.
 */
export function lossAwareTimesteps(timesteps: number, history?: LossHistory) {
  const losses = history?.losses.slice() ?? new Float32Array(timesteps * REMEMBERED);
  const counts = history?.counts.slice() ?? new Int32Array(timesteps);
  if (losses.length !== timesteps * REMEMBERED || counts.length !== timesteps) {
    throw new RangeError(`Losses by timestep: got ${counts.length} timesteps, wanted ${timesteps}`);
  }
  const lossesAt = (t: number) => losses.subarray(t * REMEMBERED, (t + 1) * REMEMBERED);

  /** Probability of each timestep, float64 [T]. */
  const probabilities = (): Float64Array => {
    const uniform = 1 / timesteps;
    const seen = counts.every((count) => count === REMEMBERED);
    if (!seen) return new Float64Array(timesteps).fill(uniform);
    const roots = Float64Array.from({ length: timesteps }, (_, t) => {
      return Math.sqrt(lossesAt(t).reduce((sum, loss) => sum + loss ** 2, 0) / REMEMBERED);
    });
    const total = roots.reduce((sum, root) => sum + root, 0);
    // If all losses are zero, there is nothing to tell the timesteps apart by.
    if (total === 0) return roots.fill(uniform);
    return roots.map((root) => (1 - UNIFORM_SHARE) * root / total + UNIFORM_SHARE * uniform);
  };

  return {
    probabilities,
    /** Returns a copy of the losses seen so far. */
    history: (): LossHistory => ({ losses: losses.slice(), counts: counts.slice() }),
    /**
     * Samples one timestep for each uniform number.
     *
     * @param uniforms in [0, 1), [B]
     * @param out filled with the timesteps and their importance 1 / (T p), [B] each
     */
    draw(uniforms: Float32Array, out: { readonly t: Int32Array; readonly importance: Float32Array }): void {
      const shares = probabilities();
      let sum = 0;
      const ends = shares.map((p) => sum += p);
      uniforms.forEach((u, i) => {
        // The sum is 1 up to rounding, which may leave the last end below a uniform number.
        const t = ends.findIndex((end) => u < end);
        out.t[i] = t < 0 ? timesteps - 1 : t;
        out.importance[i] = 1 / (timesteps * shares[out.t[i]!]!);
      });
    },
    /** Remembers the losses of a batch, without their importance. @param t [B] @param batch losses, [B] */
    observe(t: Int32Array, batch: Float32Array): void {
      t.forEach((timestep, i) => {
        const own = lossesAt(timestep);
        const count = counts[timestep]!;
        if (count < REMEMBERED) counts[timestep] = count + 1;
        else own.copyWithin(0, 1);
        own[Math.min(count, REMEMBERED - 1)] = batch[i]!;
      });
    },
  };
}
