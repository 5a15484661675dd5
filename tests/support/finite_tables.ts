import type { DiffusionTables } from "../../science/diffusion/schedule/tables.ts";

/** Name of one table of numbers. */
export type TableName = Exclude<keyof DiffusionTables, "timesteps">;
import { hasZeroTerminalSnr } from "../../science/diffusion/schedule/betas.ts";

/** The tables that divide by A, which only recovering x_0 from noise needs. */
const INVERSE_SIGNAL: readonly TableName[] = ["sqrtRecipAlphasCumprod", "sqrtRecipm1AlphasCumprod"];

/**
 * Checks that the tables are usable on a float32 device: every entry of every table, derived in float64 and rounded
 * once to float32, must be finite.
 *
 * An entry may round to a subnormal or to zero (under `ldm/sqrt` at T = 1000, A is 3.2e-44): that is harmless, because
 * nothing on the device divides by a table. The reciprocals have their own tables, and a signal too small for float32
 * to invert shows there, as an infinite `sqrtRecipAlphasCumprod`.
 *
 * With zero terminal SNR, the inverse of the signal is infinite at T - 1 by intent and is not counted: such a chain is
 * usable, by a network that does not predict the noise (see `hasZeroTerminalSnr`).
 *
 * @returns the first entry, in the order of `DiffusionTables`, that float32 cannot hold, with its float64 value: too
 *   large, infinite or NaN; undefined if there is none.
 */
export function tablesFiniteInFloat32(tables: DiffusionTables) {
  const { timesteps, ...all } = tables;
  const lastInvertible = timesteps - (hasZeroTerminalSnr(tables) ? 2 : 1);
  // Cumulative products come first: they are the cause, the tables after them the consequence.
  for (const [table, values] of Object.entries(all) as [TableName, Float64Array][]) {
    const end = INVERSE_SIGNAL.includes(table) ? lastInvertible : timesteps - 1;
    const t = values.findIndex((value, t) => t <= end && !Number.isFinite(Math.fround(value)));
    if (t >= 0) return { table, t, value: values[t]! };
  }
  return undefined;
}
