import { LARGEST, type Normalizer, rangeNormalizer, type ValueType } from "../../science/diffusion/normalizer.ts";
import type { Item } from "./items.ts";
import type { DatasetParams } from "./params.ts";

interface Finder {
  /** All that is remembered of the values: a finder that takes these numbers over finds the same map. */
  readonly state: Readonly<Record<string, Float64Array<ArrayBuffer>>>;
  add(values: Item["data"]): void;
  /** Returns the map; undefined for that of the type's whole range; a message if the values have none. */
  find(): Normalizer | string | undefined;
  /** Says if a declared range is far from that of the values. */
  doubt?(): string | undefined;
}

/** The map that takes `low` to -1 and `high` to 1 in each channel. */
function between(
  how: Normalizer["how"],
  bounds: readonly (readonly [low: number, high: number])[],
): Normalizer | string {
  const flat = bounds.findIndex(([low, high]) => !(low < high));
  if (flat >= 0) return `channel ${flat} has ${bounds[flat]![0]} in both percentiles`;
  const each = bounds.map(([low, high]) => rangeNormalizer(low, high));
  return { how, scale: each.flatMap(({ scale }) => scale), shift: each.flatMap(({ shift }) => shift) };
}

/** Finds the map between stored values and the numbers of networks, while the values of the training split go by. */
export function findNormalizer(
  normalize: DatasetParams["normalize"],
  { channels, dtype }: { readonly channels: number; readonly dtype: ValueType },
): Finder {
  const isFloat = dtype === "float32";
  const how = normalize ?? (isFloat ? "moments" : undefined);
  if (how === undefined) return declared([0, LARGEST[dtype]!], () => undefined);
  if (how === "moments") return moments(channels);
  if (!("range" in how)) return percentiles(channels, how.percentiles as [number, number], isFloat);
  const range = how.range as [number, number];
  return declared(range, () => between("range", [range]));
}

/** Parts of the declared range that values take without doubt about it. */
const [LEAST_SHARE, MOST_SHARE] = [1 / 8, 2];

/** A range that does not depend on the values; they only show whether it can have been meant. */
function declared([from, to]: readonly [number, number], find: Finder["find"]): Finder {
  const bounds = Float64Array.of(Infinity, -Infinity);
  return {
    state: { bounds },
    add(values) {
      let [low, high] = bounds as unknown as [number, number];
      for (const value of values) {
        if (value < low) low = value;
        if (value > high) high = value;
      }
      bounds.set([low, high]);
    },
    find,
    doubt() {
      const [low, high] = bounds as unknown as [number, number];
      const share = (high - low) / (to - from);
      if (low === high || (share >= LEAST_SHARE && share <= MOST_SHARE)) return undefined;
      return `values go from ${low} to ${high}, and networks see ${from} to ${to} as -1 to 1: ` +
        `${share < 1 ? "they hardly see a difference" : "values beyond are cut off in samples"}; ` +
        `set normalize: { range: [${low}, ${high}] }, or percentiles`;
    },
  };
}

/**
 * Mean and deviation (of the population), from sums of differences to the first value, which lose no digits.
 *
 * @returns a finder whose `add` takes the deviations of values too, if each value stands for a Gaussian of its own
 */
export function moments(channels: number) {
  const [first, sums, squares] = [new Float64Array(channels), new Float64Array(channels), new Float64Array(channels)];
  const counted = new Float64Array(1);
  return {
    state: { first, sums, squares, counted },
    add(values: Item["data"], deviations?: Float32Array) {
      if (counted[0] === 0) first.set(values.subarray(0, channels));
      counted[0]! += values.length / channels;
      for (let i = 0; i < values.length; i++) {
        const c = i % channels;
        const difference = values[i]! - first[c]!;
        sums[c]! += difference;
        squares[c]! += difference ** 2 + (deviations?.[i] ?? 0) ** 2;
      }
    },
    find(): Normalizer | string {
      const count = counted[0]!;
      const scale = [...squares.map((square, c) => Math.sqrt(Math.max(0, square / count - (sums[c]! / count) ** 2)))];
      const flat = scale.findIndex((deviation) => !(deviation > 0));
      if (flat >= 0) return `all values of channel ${flat} are ${first[flat]}: there is no deviation to scale by`;
      return { how: "moments", scale, shift: [...sums.map((sum, c) => (first[c]! + sum / count) / scale[c]!)] };
    },
  };
}

/** Floats are counted by their upper bits, in the order of their values: to 1 part in 2,048. */
const FLOAT_BITS = 20;
/** The counts take 8 bytes each. */
const MOST_COUNTS = 2 ** 24;

/** Quantiles, interpolated as numpy.percentile does where the values are integers. */
function percentiles(channels: number, wanted: readonly [number, number], isFloat: boolean): Finder {
  const places = isFloat ? 2 ** FLOAT_BITS : 65_536;
  if (places * channels > MOST_COUNTS) {
    return { state: {}, add() {}, find: () => `percentiles are found for at most ${MOST_COUNTS / places} channels` };
  }
  const counts = Array.from({ length: channels }, () => new Float64Array(places));
  const float = new Float32Array(1);
  const bits = new Int32Array(float.buffer);
  const placeOf = (value: number) => {
    float[0] = value;
    // The bits of a negative number grow as it falls.
    return (bits[0]! < 0 ? ~bits[0]! : bits[0]! ^ SIGN) >>> (32 - FLOAT_BITS);
  };
  const valueOf = (place: number) => {
    const ordered = 2 * place + 1 << (31 - FLOAT_BITS);
    bits[0] = ordered < 0 ? ordered ^ SIGN : ~ordered;
    return float[0]!;
  };
  const quantiles = (own: Float64Array) => {
    const [low, high] = wanted.map((percent) => quantile(own, percent, isFloat ? valueOf : (place) => place));
    return [low!, high!] as const;
  };
  return {
    state: Object.fromEntries(counts.entries()),
    add(values) {
      for (let i = 0; i < values.length; i++) counts[i % channels]![isFloat ? placeOf(values[i]!) : values[i]!]!++;
    },
    find: () => between("percentiles", counts.map(quantiles)),
  };
}

const SIGN = 1 << 31;

function quantile(counts: Float64Array, percent: number, valueOf: (place: number) => number): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const rank = (total - 1) * percent / 100;
  const at = (wanted: number) => {
    let seen = 0;
    return valueOf(counts.findIndex((count) => (seen += count) > wanted));
  };
  const [below, above] = [at(Math.floor(rank)), at(Math.ceil(rank))];
  return below + (above - below) * (rank - Math.floor(rank));
}
