/** Losses of each timestep that the sampler remembers (openai/improved-diffusion, `resample.py`). */
const REMEMBERED = 10;

/** Share of the draws that stays uniform, so that no timestep is forgotten. */
const UNIFORM_SHARE = 0.001;

/** What the sampler has seen; part of the state of a training. */
export interface LossHistory {
  /** The last losses of each timestep, oldest first: [T, 10] row-major. */
  readonly losses: Float32Array<ArrayBuffer>;
  /** How many of each timestep's losses are there, at most 10: [T]. */
  readonly counts: Int32Array<ArrayBuffer>;
}

/** See {@linkcode lossAwareTimesteps}. */
export type LossAwareTimesteps = ReturnType<typeof lossAwareTimesteps>;

/**
 * Draws timesteps where the loss is large: p(t) in proportion to sqrt(E[L_t^2]) (Nichol & Dhariwal 2021, eq. 18), uniform
 * until each timestep was seen ten times. Each image's loss then counts 1 / (T p), which leaves the mean loss as it was
 * and lowers its variance.
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
    // All losses zero: nothing to tell the timesteps apart by.
    if (total === 0) return roots.fill(uniform);
    return roots.map((root) => (1 - UNIFORM_SHARE) * root / total + UNIFORM_SHARE * uniform);
  };

  return {
    probabilities,
    /** A copy of what was seen. */
    history: (): LossHistory => ({ losses: losses.slice(), counts: counts.slice() }),
    /**
     * Draw one timestep for each uniform number.
     *
     * @param uniforms in [0, 1), [B]
     * @param out timesteps and their importance 1 / (T p), [B] each, filled
     */
    draw(uniforms: Float32Array, out: { readonly t: Int32Array; readonly importance: Float32Array }): void {
      const shares = probabilities();
      let sum = 0;
      const ends = shares.map((p) => sum += p);
      uniforms.forEach((u, i) => {
        // The sum is 1 but for rounding, which may leave the last end below a uniform.
        const t = ends.findIndex((end) => u < end);
        out.t[i] = t < 0 ? timesteps - 1 : t;
        out.importance[i] = 1 / (timesteps * shares[out.t[i]!]!);
      });
    },
    /** Remember the losses of a batch, without their importance. @param t [B] @param batch losses, [B] */
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
