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

/**
 * Draws timesteps where the loss is large: p(t) in proportion to sqrt(E[L_t^2]) (Nichol & Dhariwal 2021, eq. 18), uniform
 * until each timestep was seen ten times. Each image's loss then counts 1 / (T p), which leaves the mean loss as it was
 * and lowers its variance.
 */
export class LossAwareTimesteps {
  readonly #timesteps: number;
  readonly #losses: Float32Array<ArrayBuffer>;
  readonly #counts: Int32Array<ArrayBuffer>;

  /** @param timesteps T @throws RangeError when the history is of another T. */
  constructor(timesteps: number, history?: LossHistory) {
    this.#timesteps = timesteps;
    this.#losses = history?.losses.slice() ?? new Float32Array(timesteps * REMEMBERED);
    this.#counts = history?.counts.slice() ?? new Int32Array(timesteps);
    if (this.#losses.length !== timesteps * REMEMBERED || this.#counts.length !== timesteps) {
      throw new RangeError(`Losses by timestep: got ${this.#counts.length} timesteps, wanted ${timesteps}`);
    }
  }

  /** A copy of what was seen. */
  get history(): LossHistory {
    return { losses: this.#losses.slice(), counts: this.#counts.slice() };
  }

  /** Probability of each timestep, float64 [T]. */
  probabilities(): Float64Array {
    const uniform = 1 / this.#timesteps;
    const seen = this.#counts.every((count) => count === REMEMBERED);
    if (!seen) return new Float64Array(this.#timesteps).fill(uniform);
    const roots = Float64Array.from({ length: this.#timesteps }, (_, t) => {
      const own = this.#losses.subarray(t * REMEMBERED, (t + 1) * REMEMBERED);
      return Math.sqrt(own.reduce((sum, loss) => sum + loss ** 2, 0) / REMEMBERED);
    });
    const total = roots.reduce((sum, root) => sum + root, 0);
    // All losses zero: nothing to tell the timesteps apart by.
    if (total === 0) return roots.fill(uniform);
    return roots.map((root) => (1 - UNIFORM_SHARE) * root / total + UNIFORM_SHARE * uniform);
  }

  /**
   * Draw one timestep for each uniform number.
   *
   * @param uniforms in [0, 1), [B]
   * @param out timesteps and their importance 1 / (T p), [B] each, filled
   */
  draw(
    uniforms: Float32Array,
    out: { readonly t: Int32Array; readonly importance: Float32Array },
  ): void {
    const probabilities = this.probabilities();
    let sum = 0;
    const ends = probabilities.map((p) => sum += p);
    uniforms.forEach((u, i) => {
      // The sum is 1 but for rounding, which may leave the last end below a uniform.
      const t = ends.findIndex((end) => u < end);
      out.t[i] = t < 0 ? this.#timesteps - 1 : t;
      out.importance[i] = 1 / (this.#timesteps * probabilities[out.t[i]!]!);
    });
  }

  /** Remember the losses of a batch, without their importance. @param t [B] @param losses [B] */
  observe(t: Int32Array, losses: Float32Array): void {
    t.forEach((timestep, i) => {
      const own = this.#losses.subarray(timestep * REMEMBERED, (timestep + 1) * REMEMBERED);
      const count = this.#counts[timestep]!;
      if (count < REMEMBERED) this.#counts[timestep] = count + 1;
      else own.copyWithin(0, 1);
      own[Math.min(count, REMEMBERED - 1)] = losses[i]!;
    });
  }
}
