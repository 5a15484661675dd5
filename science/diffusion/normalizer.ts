import { z } from "zod";
import { definedOnly } from "../../std/defined_only.ts";

/** Types of the numbers that a set of images is stored in. */
export const VALUE_TYPES = { uint8: Uint8Array, uint16: Uint16Array, float32: Float32Array } as const satisfies Record<
  ValueType,
  unknown
>;

/** One of the types that images are stored in. */
export type ValueType = "uint8" | "uint16" | "float32";

/** Stored numbers of images, [N, H, W, C] row-major. */
export type Values = Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer> | Float32Array<ArrayBuffer>;

/** Puts stored values of one type behind one another. @param pieces at least one */
export function joinValues<V extends Values>(pieces: readonly V[]): V {
  const joined = new VALUE_TYPES[dtypeOf(pieces[0]!)](pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.length;
  }
  return joined as V;
}

/** Returns the type of stored numbers. */
export function dtypeOf(values: Uint8Array | Uint16Array | Float32Array): ValueType {
  return (Object.keys(VALUE_TYPES) as ValueType[]).find((type) => values instanceof VALUE_TYPES[type])!;
}

/** Largest value of the integer types; a type without an entry has no levels. */
export const LARGEST: Readonly<Record<ValueType, number | undefined>> = {
  uint8: 255,
  uint16: 65_535,
  float32: undefined,
};

/** The affine map between stored values and the numbers that networks see: network = stored / scale - shift. */
export interface Normalizer {
  /**
   * How the map was found: `range`, two stored values become -1 and 1; `moments`, the mean of the training images
   * becomes 0 and their standard deviation 1; `percentiles`, two quantiles of theirs become -1 and 1; `factor`, a
   * declared number that stored values are multiplied by.
   */
  readonly how: "range" | "moments" | "percentiles" | "factor";
  /** Numbers above 0: one for all channels, or one for each. */
  readonly scale: readonly number[];
  /** As many as there are of `scale`. */
  readonly shift: readonly number[];
}

/** The stored form of images, and what it means to a network. */
export interface ValueForm {
  /** The type of the stored numbers. */
  readonly dtype: ValueType;
  /** The map from the stored numbers to those that networks see. */
  readonly normalizer: Normalizer;
  /** The digest of the encoder that made them, if they are latents. Only its decoders can decode them. */
  readonly encoder?: string;
}

const perChannel = z.array(z.number()).min(1).max(65_536).readonly();

/**
 * Fields of a record of a form. An absent type is uint8, and an absent normaliser takes the whole range of an integer
 * type to [-1, 1]: records of bytes must not change by a byte.
 */
export const formRecord = {
  dtype: z.enum(["uint8", "uint16", "float32"]).exactOptional(),
  normalizer: z.strictObject({
    how: z.enum(["range", "moments", "percentiles", "factor"]),
    scale: perChannel.refine((scale) => scale.every((one) => one > 0), "numbers above 0"),
    shift: perChannel,
  }).exactOptional(),
  /** The digest of the encoder that made them. Absent: they are no latents. */
  encoder: z.string().regex(/^[0-9a-f]{64}$/).exactOptional(),
};

type FormRecord = Partial<ValueForm>;

/** 8-bit images, in [-1, 1] for networks: x / 127.5 - 1 (hojonathanho/diffusion). */
export const BYTES: ValueForm = { dtype: "uint8", normalizer: { how: "range", scale: [127.5], shift: [1] } };

/** Returns the map under which `low` becomes -1 and `high` 1. */
export function rangeNormalizer(low: number, high: number): Normalizer {
  const scale = (high - low) / 2;
  return { how: "range", scale: [scale], shift: [low / scale + 1] };
}

/** Returns the form that a record tells of. An integer type without a normaliser has that of its whole range. */
export function formOf({ dtype = BYTES.dtype, normalizer, encoder }: FormRecord): ValueForm {
  return { dtype, normalizer: normalizer ?? rangeNormalizer(0, LARGEST[dtype] ?? 1), ...definedOnly({ encoder }) };
}

/** Returns the record of a form, without what `formOf` adds. */
export function recordOf({ dtype, normalizer, encoder }: ValueForm): FormRecord {
  const usual = isSameNormalizer(normalizer, formOf({ dtype }).normalizer);
  return { ...(dtype === BYTES.dtype ? {} : { dtype }), ...(usual ? {} : { normalizer }), ...definedOnly({ encoder }) };
}

function isSameNormalizer(a: Normalizer, b: Normalizer): boolean {
  return a.how === b.how && isSameMap(a, b);
}

type Map = Pick<Normalizer, "scale" | "shift">;

const isSameMap = (a: Map, b: Map) => a.scale.join() === b.scale.join() && a.shift.join() === b.shift.join();

/**
 * Returns the map from the network's numbers under one normaliser to those of the same stored values under another;
 * undefined if they are the same numbers.
 */
export function mapBetween(from: Map, to: Map): Map | undefined {
  if (isSameMap(from, to)) return undefined;
  const at = (values: readonly number[], c: number) => values[c % values.length]!;
  const channels = Math.max(from.scale.length, to.scale.length);
  const scale = Array.from({ length: channels }, (_, c) => at(to.scale, c) / at(from.scale, c));
  return { scale, shift: scale.map((factor, c) => at(to.shift, c) - at(from.shift, c) / factor) };
}

/** True if samples are limited to [-1, 1]: the declared range has no values outside it. */
export function isBounded({ how }: Normalizer): boolean {
  return how === "range";
}

/**
 * Converts stored values to the network's numbers.
 *
 * @param values [..., C] row-major @param out of the same length, filled
 */
export function normalize(values: ArrayLike<number>, out: Float32Array | Float64Array, { scale, shift }: Map): void {
  const [channels, first, less] = [scale.length, scale[0]!, shift[0]!];
  // One multiplier for all channels is the common case, and twice as fast.
  if (channels === 1) { for (let i = 0; i < values.length; i++) out[i] = values[i]! / first - less; }
  else for (let i = 0; i < values.length; i++) out[i] = values[i]! / scale[i % channels]! - shift[i % channels]!;
}

/**
 * Converts the network's numbers to stored values, limited to those that the type has. 16-bit integers are rounded.
 *
 * @param values [..., C] row-major
 * @param bytes `truncate` for samples, since published scores are of images made in this way (hojonathanho/diffusion);
 * `round` for values that were bytes before, which a truncation would lower by a level
 */
export function denormalize(
  values: Float32Array,
  { dtype, normalizer: { scale, shift } }: ValueForm,
  bytes: "truncate" | "round" = "truncate",
): Values {
  const out = new VALUE_TYPES[dtype](values.length);
  const [channels, most, half] = [scale.length, LARGEST[dtype], dtype === "uint8" && bytes === "truncate" ? 0 : 0.5];
  for (let i = 0; i < values.length; i++) {
    const value = (values[i]! + shift[i % channels]!) * scale[i % channels]!;
    out[i] = most === undefined ? value : Math.trunc(Math.min(most, Math.max(0, value + half)));
  }
  return out;
}
