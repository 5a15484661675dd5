/** Element types inside a graph; inputs and outputs of a compiled function are float32 or int32 only. */
export type ElementType = "float32" | "float64" | "bfloat16" | "int32" | "uint32" | "int64" | "bool";

export type Shape = readonly number[];

export type ConstantData = Float32Array | Int32Array | Uint32Array | BigInt64Array | Uint8Array;

/** A number that ONNX stores as float32. */
export type FloatAttribute = { readonly float: number };

/** An integer, a list of integers, or a float. */
export type Attribute = number | readonly number[] | FloatAttribute;

export type Attributes = Readonly<Record<string, Attribute>>;

interface ValueBase {
  /** Grows in order of creation, so sorting by id is a topological order. */
  readonly id: number;
  readonly type: ElementType;
  readonly shape: Shape;
}

export interface InputValue extends ValueBase {
  readonly kind: "input";
  readonly name: string;
}

export interface ConstantValue extends ValueBase {
  readonly kind: "constant";
  /** Row-major. One element in a larger shape means that element everywhere. */
  readonly data: ConstantData;
}

export interface OperationValue extends ValueBase {
  readonly kind: "operation";
  /**
   * ONNX operator with one output, of the default domain or one that `passes/fuse_contrib.ts` inserts; or, until its
   * method is chosen, a convolution of `kernels/conv.ts`.
   */
  readonly op: string;
  readonly inputs: readonly Value[];
  readonly attributes: Attributes;
}

/** One tensor of a graph. Values are immutable and made by a {@linkcode Graph}. */
export type Value = InputValue | ConstantValue | OperationValue;

/** Longer constants are not compared with each other: the look-up would cost more than a second copy. */
const INTERNED_CONSTANT_LENGTH = 256;

/** Creates values. Equal expressions are one value, which is common subexpression elimination. */
export class Graph {
  #nextId = 0;
  readonly #known = new Map<string, Value>();

  input(name: string, type: ElementType, shape: Shape): InputValue {
    return { kind: "input", id: this.#nextId++, name, type, shape };
  }

  /** @param data all elements, or one that is repeated */
  constant(type: ElementType, shape: Shape, data: ConstantData): ConstantValue {
    const make = (): ConstantValue => ({ kind: "constant", id: this.#nextId++, type, shape, data });
    if (data.length > INTERNED_CONSTANT_LENGTH) return make();
    // Floats are compared by bit pattern, because -0 and 0 must stay apart.
    const bits = data instanceof Float32Array ? new Uint32Array(data.buffer, data.byteOffset, data.length) : data;
    return this.#intern(`constant|${type}|${shape}|${bits}`, make);
  }

  operation(op: string, inputs: readonly Value[], type: ElementType, shape: Shape, attributes: Attributes = {}): Value {
    const ids = inputs.map((input) => input.id);
    return this.#intern(
      `${op}|${ids}|${type}|${JSON.stringify(attributes)}`,
      () => ({ kind: "operation", id: this.#nextId++, op, inputs, attributes, type, shape }),
    );
  }

  /**
   * Returns a constant that is costly to make, made once for each `key`. The key must include everything that `make`
   * depends on.
   */
  table(key: string, make: () => ConstantValue): ConstantValue {
    return this.#intern(`table|${key}`, make);
  }

  #intern<V extends Value>(key: string, make: () => V): V {
    // The key begins with the kind of value, so an equal key has the type that `make` returns.
    const value = this.#known.get(key) ?? make();
    this.#known.set(key, value);
    return value as V;
  }
}

/** Returns the values that `outputs` depend on, dependencies first; all other values are dead. */
export function liveValues(outputs: Iterable<Value>): Value[] {
  const live = new Set<Value>();
  const pending = [...outputs];
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    if (live.has(value)) continue;
    live.add(value);
    if (value.kind === "operation") pending.push(...value.inputs);
  }
  return [...live].sort((a, b) => a.id - b.id);
}

export function sizeOf(shape: Shape): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dimension, axis) => dimension === b[axis]);
}

/** @throws RangeError for numbers that JSON, which distinguishes operations, cannot represent */
export function float(value: number): Attribute {
  if (!Number.isFinite(value) || Object.is(value, -0)) throw new RangeError(`Attribute: got ${value}, wanted a number`);
  return { float: value };
}
