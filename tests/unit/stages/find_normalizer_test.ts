import { assert, assertEquals } from "@std/assert";
import { dtypeOf } from "../../../science/diffusion/normalizer.ts";
import { findNormalizer } from "../../../stages/dataset/find_normalizer.ts";

function assertNear(got: number, wanted: number, allowed: number): void {
  assert(Math.abs(got - wanted) <= allowed, `${got}, wanted ${wanted}`);
}

type Wanted = Parameters<typeof findNormalizer>[0];
type Data = Uint8Array | Uint16Array | Float32Array;

function find(wanted: Wanted, data: Data, channels = 1) {
  const finder = findNormalizer(wanted, { channels, dtype: dtypeOf(data) });
  const half = data.length / channels >> 1;
  // In two parts, as items come.
  finder?.add(data.subarray(0, half * channels));
  finder?.add(data.subarray(half * channels));
  return finder?.find();
}

/** Returns what the map makes of a value of a channel. */
function seen(found: ReturnType<typeof find>, value: number, channel = 0): number {
  if (found === undefined || typeof found === "string") throw new Error(`${found}`);
  return value / found.scale[channel]! - found.shift[channel]!;
}

Deno.test("integers have the range of their type unless another is declared", () => {
  assertEquals(find(undefined, Uint8Array.of(1, 2)), undefined);
  assertEquals(find(undefined, Uint16Array.of(1, 2)), undefined);
  const found = find({ range: [100, 4_000] }, Uint16Array.of(1, 2));
  assertNear(seen(found, 100), -1, 1e-12);
  assertNear(seen(found, 4_000), 1, 1e-12);
});

Deno.test("moments are those of each channel, as numpy's mean and std", () => {
  const rows = Array.from({ length: 500 }, (_, i) => [i * 37 % 101, 1e6 + (i * 37 % 101) ** 2 / 1e3]);
  const found = find(undefined, Float32Array.from(rows.flat()), 2);
  for (const channel of [0, 1]) {
    const own = rows.map((row) => Math.fround(row[channel]!));
    const mean = own.reduce((sum, value) => sum + value, 0) / own.length;
    const deviation = Math.sqrt(own.reduce((sum, value) => sum + (value - mean) ** 2, 0) / own.length);
    assertNear(seen(found, mean, channel), 0, 1e-6);
    assertNear(seen(found, mean + deviation, channel), 1, 1e-6);
  }
  assertEquals(
    find("moments", Uint8Array.of(7, 7, 7)),
    "all values of channel 0 are 7: there is no deviation to scale by",
  );
});

Deno.test("percentiles are numpy's for integers, and within 1 part in 2,048 for floats", () => {
  const values = Array.from({ length: 1_001 }, (_, i) => i * 613 % 1_009);
  const sorted = [...values].sort((a, b) => a - b);
  const exact = (percent: number) => {
    const rank = 1_000 * percent / 100;
    const [low, high] = [sorted[Math.floor(rank)]!, sorted[Math.ceil(rank)]!];
    return low + (high - low) * (rank - Math.floor(rank));
  };
  for (const [low, high] of [[0, 100], [1, 99], [12.34, 56.78]] as const) {
    const found = find({ percentiles: [low, high] }, Uint16Array.from(values));
    assertNear(seen(found, exact(low)), -1, 1e-9);
    assertNear(seen(found, exact(high)), 1, 1e-9);
    const floats = find({ percentiles: [low, high] }, Float32Array.from(values, (value) => (value - 500) / 7));
    const span = (exact(high) - exact(low)) / 7;
    // Half a bin on either side, of values up to 72.
    const allowed = 2 * 72 / 2_048 / span;
    assertNear(seen(floats, (exact(low) - 500) / 7), -1, allowed);
    assertNear(seen(floats, (exact(high) - 500) / 7), 1, allowed);
  }
  assertEquals(find({ percentiles: [5, 95] }, Uint8Array.of(7, 7, 7)), "channel 0 has 7 in both percentiles");
});
