/**
 * Where the sinusoids of a timestep embedding stand, and what spaces their frequencies: `ho` is sines, then cosines,
 * divided by half - 1 (hojonathanho/diffusion, `nn.py`; the U-Net of this project); `openai` is cosines, then sines,
 * divided by half (openai/improved-diffusion, `nn.py`). Weights trained with one are useless with the other.
 */
export type TimestepFeatureOrder = "ho" | "openai";

/**
 * Sinusoidal features of one timestep in float64: the reference that `timeEmbedding` is checked against.
 *
 * @param t the raw index in [0, T)
 * @param dim even, >= 4
 * @returns float64 [dim]
 */
export function timestepFeaturesFloat64(t: number, dim: number, order: TimestepFeatureOrder): Float64Array {
  if (dim % 2 !== 0 || dim < 4) {
    throw new RangeError(`Timestep features: got dimension ${dim}, wanted an even one >= 4`);
  }
  const half = dim / 2;
  const divisor = order === "ho" ? half - 1 : half;
  const angles = Array.from({ length: half }, (_, i) => t * Math.exp(-Math.log(10000) * i / divisor));
  const [sines, cosines] = [angles.map(Math.sin), angles.map(Math.cos)];
  return Float64Array.from(order === "ho" ? [...sines, ...cosines] : [...cosines, ...sines]);
}
