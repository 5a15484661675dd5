import type { UnetConfig } from "./config.ts";
import { countParameters, sizeOf, unetParameterSpecs } from "./parameters.ts";

/** Named parameters on the host, each row-major in the shape of its spec. */
export type NamedArrays = Record<string, Float32Array<ArrayBuffer>>;

/**
 * Fresh parameters: kernels by variance scaling (fan average, uniform), norm scales 1, biases 0, as in
 * hojonathanho/diffusion.
 *
 * @param uniforms `count` numbers in (0, 1] for the parameter of that name; asked once per kernel. The array becomes the
 *   parameter.
 * @throws RangeError when the configuration has problems.
 */
export function initParameters(
  config: UnetConfig,
  uniforms: (name: string, count: number) => Float32Array<ArrayBuffer>,
): NamedArrays {
  const named: NamedArrays = {};
  for (const spec of unetParameterSpecs(config)) {
    const size = sizeOf(spec);
    if (typeof spec.init === "string") {
      named[spec.name] = new Float32Array(size).fill(spec.init === "ones" ? 1 : 0);
      continue;
    }
    const array = uniforms(spec.name, size);
    const { scale, fanIn, fanOut } = spec.init;
    const limit = Math.sqrt(3 * scale / ((fanIn + fanOut) / 2));
    for (let i = 0; i < size; i++) array[i] = (2 * array[i]! - 1) * limit;
    named[spec.name] = array;
  }
  return named;
}

/**
 * One flat vector [P] from named parameters, in the order of `unetParameterSpecs`.
 *
 * @throws RangeError for a parameter that is missing, unknown or of another length.
 */
export function packParameters(
  named: Readonly<Record<string, Float32Array>>,
  config: UnetConfig,
): Float32Array<ArrayBuffer> {
  const specs = unetParameterSpecs(config);
  const known = new Set(specs.map((spec) => spec.name));
  const unknown = Object.keys(named).find((name) => !known.has(name));
  if (unknown !== undefined) throw new RangeError(`Parameter ${unknown}: not in this network`);
  const flat = new Float32Array(countParameters(config));
  let offset = 0;
  for (const spec of specs) {
    const array = named[spec.name];
    const size = sizeOf(spec);
    if (array?.length !== size) {
      throw new RangeError(`Parameter ${spec.name}: got ${array?.length ?? "none"}, wanted ${size} numbers`);
    }
    flat.set(array, offset);
    offset += size;
  }
  return flat;
}

/** The inverse of `packParameters`; the arrays are copies. @throws RangeError when the vector has another length. */
export function unpackParameters(flat: Float32Array, config: UnetConfig): NamedArrays {
  const count = countParameters(config);
  if (flat.length !== count) throw new RangeError(`Flat parameters: got ${flat.length} numbers, wanted ${count}`);
  const named: NamedArrays = {};
  let offset = 0;
  for (const spec of unetParameterSpecs(config)) {
    named[spec.name] = Float32Array.from(flat.subarray(offset, offset += sizeOf(spec)));
  }
  return named;
}
