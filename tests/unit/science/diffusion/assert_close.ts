import { AssertionError } from "@std/assert";

/** Asserts |got - want| <= abs + rel |want|. */
export function assertClose(got: number, want: number, { rel = 0, abs = 0, label = "value" }: Tolerance): void {
  if (!(Math.abs(got - want) <= abs + rel * Math.abs(want))) {
    throw new AssertionError(`${label}: got ${got}, wanted ${want} within ${abs} + ${rel} * |wanted|`);
  }
}

export function assertAllClose(got: ArrayLike<number>, want: ArrayLike<number>, tolerance: Tolerance): void {
  if (got.length !== want.length) throw new AssertionError(`got ${got.length} numbers, wanted ${want.length}`);
  const { label = "value" } = tolerance;
  for (let i = 0; i < want.length; i++) assertClose(got[i]!, want[i]!, { ...tolerance, label: `${label} at ${i}` });
}

export interface Tolerance {
  readonly rel?: number;
  readonly abs?: number;
  readonly label?: string;
}

/** Numbers printed with 12 significant digits are off by at most half a unit of the last digit, 5e-12 relative. */
export const TWELVE_DIGITS = { rel: 6e-12 } as const;
