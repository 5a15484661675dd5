import type { HostArray, HostTensors, Signature, TensorSpec } from "./device.ts";
import { sizeOf } from "./trace/graph.ts";

/** Checks of what callers pass to a compiled function; the same on every device. */

/** The inputs and outputs of a function, and its name in error messages. */
export interface Interface {
  readonly label: string;
  readonly inputs: Signature;
  readonly outputs: Signature;
}

/**
 * Checks the arrays of one run and returns one array for each output: those of `into`, and new ones for the rest.
 * @throws Error for arrays that are missing, unknown, of the wrong type or length, or that share memory.
 */
export function prepareRun({ label, inputs, outputs }: Interface, feeds: HostTensors, into: HostTensors): HostTensors {
  checkNames("feed", feeds, inputs, label);
  for (const name of Object.keys(inputs)) {
    if (!(name in feeds)) throw new Error(`Cannot run "${label}": feed "${name}" is missing`);
  }
  checkNames("output", into, outputs, label);
  checkDistinct(feeds, into, label);
  return Object.fromEntries(Object.entries(outputs).map(([name, spec]) => [name, into[name] ?? allocate(spec)]));
}

/** The interface of a function of which some inputs are held. */
export type HeldInterface = Readonly<ReturnType<typeof holdInputs>>;

/** @throws Error when a held value is unknown or does not fit, or an output cannot replace the input of its name. */
export function holdInputs({ label, inputs, outputs }: Interface, held: HostTensors) {
  checkNames("feed", held, inputs, label);
  checkDistinct({}, held, label);
  const pick = (signature: Signature, wanted: (name: string) => boolean): Signature =>
    Object.fromEntries(Object.entries(signature).filter(([name]) => wanted(name)));
  // Held inputs that an output of the same name replaces.
  const carried: readonly string[] = Object.keys(held).filter((name) => name in outputs);
  for (const name of carried) {
    const [input, output] = [inputs[name]!, outputs[name]!];
    if (input.dtype === output.dtype && `${input.shape}` === `${output.shape}`) continue;
    throw new Error(
      `Cannot hold "${name}" of "${label}": its input is ${input.dtype} [${input.shape}] and its output ` +
        `${output.dtype} [${output.shape}]. Fix: give both the same type, or other names.`,
    );
  }
  // The inputs that are given at each run, and the outputs that it returns.
  const free: Interface = {
    label,
    inputs: pick(inputs, (name) => !(name in held)),
    outputs: pick(outputs, (name) => !carried.includes(name)),
  };
  return { free, held: pick(inputs, (name) => name in held), carried };
}

/** Returns zeros for a tensor. */
export function allocate({ dtype, shape }: TensorSpec): HostArray {
  return dtype === "float32" ? new Float32Array(sizeOf(shape)) : new Int32Array(sizeOf(shape));
}

function checkNames(role: "feed" | "output", arrays: HostTensors, signature: Signature, label: string): void {
  for (const [name, data] of Object.entries(arrays)) {
    const spec = signature[name];
    if (spec === undefined) {
      const known = Object.keys(signature).map((key) => `"${key}"`).join(", ");
      throw new Error(`Cannot run "${label}": there is no ${role} "${name}". Fix: use ${known}.`);
    }
    const wanted = spec.dtype === "float32" ? Float32Array : Int32Array;
    const length = sizeOf(spec.shape);
    if (!(data instanceof wanted) || data.length !== length) {
      const got = `${(data as object | undefined)?.constructor.name ?? data} of ${(data as HostArray)?.length}`;
      throw new Error(
        `Cannot run "${label}": ${role} "${name}" must be ${wanted.name} of ${length} ([${spec.shape}]): got ${got}`,
      );
    }
  }
}

/** @throws Error when a name is not that of a held input */
export function checkHeldNames({ held, free: { label } }: HeldInterface, names: readonly string[]): void {
  const unknown = names.find((name) => !(name in held));
  if (unknown === undefined) return;
  const known = Object.keys(held).map((name) => `"${name}"`).join(", ");
  throw new Error(`Cannot read "${unknown}" of "${label}": it is not held. Fix: use ${known}.`);
}

/** Refuses arrays that share memory: an output written over a feed or another output would depend on timing. */
export function checkDistinct(feeds: HostTensors, into: HostTensors, label: string): void {
  const written = Object.entries(into);
  written.forEach(([name, target], index) => {
    const others = [...Object.entries(feeds), ...written.slice(index + 1)];
    for (const [other, source] of others) {
      const apart = target.buffer !== source.buffer ||
        target.byteOffset + target.byteLength <= source.byteOffset ||
        source.byteOffset + source.byteLength <= target.byteOffset;
      if (!apart) {
        throw new Error(
          `Cannot use "${label}": "${name}" shares memory with "${other}". Fix: give it an array of its own.`,
        );
      }
    }
  });
}
