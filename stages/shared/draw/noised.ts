import type { DiffusionTables } from "../../../diffusion/schedule/tables.ts";

/** x_t of x_0, by q(x_t | x_0), into `out`; float32 [..] of one length. Ho et al. 2020, eq. 4. */
export function noisedTo(
  tables: DiffusionTables,
  t: number,
  { x0, noise, out }: { readonly x0: Float32Array; readonly noise: Float32Array; readonly out: Float32Array },
): void {
  const [signal, spread] = [tables.sqrtAlphasCumprod[t]!, tables.sqrtOneMinusAlphasCumprod[t]!];
  for (let i = 0; i < x0.length; i++) out[i] = signal * x0[i]! + spread * noise[i]!;
}

/** From x_s back to x_t in place, s < t: q(x_t | x_s) of the chain that visits both; s undefined is x_0. */
export function noiseAgain(
  tables: DiffusionTables,
  { from, to }: { readonly from: number | undefined; readonly to: number },
  { x, noise }: { readonly x: Float32Array; readonly noise: Float32Array },
): void {
  const kept = tables.alphasCumprod[to]! / (from === undefined ? 1 : tables.alphasCumprod[from]!);
  const [signal, spread] = [Math.sqrt(kept), Math.sqrt(1 - kept)];
  for (let i = 0; i < x.length; i++) x[i] = signal * x[i]! + spread * noise[i]!;
}
