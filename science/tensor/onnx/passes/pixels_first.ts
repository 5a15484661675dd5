import { concat, expand, gather, indices, isOperation, permutationOf, reshape } from "../../trace/emit/shape.ts";
import { reduce, sumOfParts } from "../../trace/emit/contract.ts";
import { type Graph, type OperationValue, sameShape, type Shape, sizeOf, type Value } from "../../trace/graph.ts";
import { countUses, type Current, rewriteEach, withInputs } from "../../trace/rewrite.ts";

/**
 * Keeps images as [pixels, N, C] from one convolution to the next, as `conv_winograd_whole.ts` needs them. The
 * operations between convolutions use this order as well if it makes no difference to them. Sums over pixels, and
 * products or sums with one value per image and channel, then work on long rows.
 */
export function pixelsFirst(graph: Graph, outputs: ReadonlyMap<string, Value>): Map<string, Value> {
  const uses = countUses(outputs);
  let rewriter: PixelsFirst | undefined;
  return rewriteEach(graph, outputs, (value, current) => {
    rewriter ??= new PixelsFirst(graph, uses, current);
    return value.kind === "operation" ? rewriter.replacement(value) : undefined;
  });
}

const TO_PIXELS_FIRST = [1, 2, 0, 3];
const TO_IMAGES_FIRST = [2, 0, 1, 3];

const ELEMENTWISE = new Set(
  ("Add Sub Mul Div Max Min Pow Neg Abs Sign Relu Exp Log Sqrt Reciprocal Sigmoid Tanh Erf Softplus Elu Where Cast Not " +
    "Equal Greater GreaterOrEqual Less LessOrEqual And Or").split(" "),
);

/**
 * How the axes of a shape [N h, ...pixels, ...channels] divide. `pixels` is [h, ...]: part of the first axis may belong
 * to the pixels.
 */
interface Axes {
  readonly pixels: Shape;
  readonly channels: Shape;
}

class PixelsFirst {
  /**
   * Values in pixel-major order, [P, N, C]. The version with images first exists as well, but is computed only if
   * something reads it.
   */
  readonly #pixelMajor = new Map<Value, Value>();

  /** @param current returns the replacement of a value, with images first */
  constructor(readonly graph: Graph, readonly uses: ReadonlyMap<Value, number>, readonly current: Current) {}

  replacement(value: OperationValue): Value | undefined {
    const pixelMajor = this.#asPixelMajor(value);
    if (pixelMajor === undefined) return this.#originalOrder(value);
    this.#pixelMajor.set(value, pixelMajor);
    return this.#imagesFirst(pixelMajor, value.shape);
  }

  /** Returns the value as [P, N, C], if possible. */
  #asPixelMajor(value: OperationValue): Value | undefined {
    const { graph } = this;
    const { op, inputs: [x] } = value;
    if (x === undefined) return undefined;
    if (isTranspose(value, TO_IMAGES_FIRST)) {
      const [n, h, w, c] = value.shape as [number, number, number, number];
      return reshape(graph, this.current(x), [h * w, n, c]);
    }
    if (ELEMENTWISE.has(op)) return this.#elementwise(value);
    if (op === "Concat") return this.#concat(value);
    const pixelMajor = this.#pixelMajor.get(x);
    const axes = pixelMajor && axesOf(x.shape, pixelMajor);
    if (pixelMajor === undefined || axes === undefined) return undefined;
    const [p, n, c] = pixelMajor.shape as [number, number, number];
    const { pixels, channels } = axes;
    const last = x.shape.length - 1;
    if (op === "Reshape") return axesOf(value.shape, pixelMajor) && pixelMajor;
    if (op === "Expand" && value.shape.length === x.shape.length) {
      const more = [value.shape[0]! / n, ...value.shape.slice(1, pixels.length)];
      if (value.shape[0] !== x.shape[0] || !sameShape(value.shape.slice(pixels.length), channels)) return undefined;
      const spread = expand(graph, reshape(graph, pixelMajor, [...pixels, n * c]), [...more, n * c]);
      return reshape(graph, spread, [sizeOf(more), n, c]);
    }
    if (op === "ReduceSum" && value.type === "float32") {
      const at = axesReduced(value);
      if (at.includes(0) || at.some((axis) => axis >= pixels.length)) return undefined;
      const kept = pixels.filter((_, axis) => !at.includes(axis));
      if (sizeOf(kept) === 1) return undefined;
      const sums = reduce(graph, "ReduceSum", reshape(graph, pixelMajor, [...pixels, n * c]), at, false);
      return reshape(graph, sums, [sizeOf(kept), n, c]);
    }
    if (op === "Gather" && value.attributes["axis"] === last - 1 && channels.length === 2) {
      if (value.inputs[1]!.shape.length > 0) return undefined;
      return gather(graph, reshape(graph, pixelMajor, [p, n, ...channels]), value.inputs[1]!, 2);
    }
    if (op === "Slice" && channels.length === 1) {
      const [, starts, ends, at, steps] = value.inputs as [Value, Value, Value, Value, Value];
      if (at.kind !== "constant" || at.data.length !== 1 || Number(at.data[0]) !== last) return undefined;
      const shape = [p, n, value.shape[last]!];
      return graph.operation("Slice", [pixelMajor, starts, ends, indices(graph, [2]), steps], value.type, shape);
    }
    if (op === "Gemm" && value.attributes["transA"] === 0 && sameShape(x.shape, [p * n, c])) {
      const inputs = [
        reshape(graph, pixelMajor, x.shape),
        ...value.inputs.slice(1).map((input) => this.current(input)),
      ];
      const rows = graph.operation("Gemm", inputs, value.type, value.shape, value.attributes);
      return reshape(graph, rows, [p, n, value.shape[1]!]);
    }
    return undefined;
  }

  /** Computes a value in its original order from values in pixel-major order, if possible. */
  #originalOrder(value: OperationValue): Value | undefined {
    const { graph } = this;
    const { op, inputs: [x, y] } = value;
    if (isTranspose(value, TO_PIXELS_FIRST)) {
      const [h, w, n, c] = value.shape as [number, number, number, number];
      return reshape(graph, this.#toPixelMajor(x!, [h * w, n, c]), value.shape);
    }
    if (op === "Gemm" && value.attributes["transA"] === 1 && value.attributes["transB"] === 0) {
      const known = this.#pixelMajor.get(x!) ?? this.#pixelMajor.get(y!);
      if (known === undefined) return undefined;
      const [p, n] = known.shape as [number, number];
      if (x!.shape[0] !== p * n) return undefined;
      const rows = [x!, y!].map((operand) =>
        reshape(graph, this.#toPixelMajor(operand, [p, n, operand.shape[1]!]), operand.shape)
      );
      return graph.operation("Gemm", rows, value.type, value.shape, value.attributes);
    }
    const pixelMajor = x && this.#pixelMajor.get(x);
    if (op !== "ReduceSum" || value.type !== "float32" || pixelMajor === undefined) return undefined;
    const axes = axesOf(x!.shape, pixelMajor);
    const at = axesReduced(value);
    if (axes === undefined || at.some((axis) => axis >= axes.pixels.length)) return undefined;
    // Sums over all pixels of each image, or of all images.
    if (at.length === axes.pixels.length - 1 && axes.pixels[0] === 1 && !at.includes(0)) {
      return reshape(graph, sumOfParts(graph, pixelMajor), value.shape);
    }
    if (at.length !== axes.pixels.length) return undefined;
    return reshape(graph, reduce(graph, "ReduceSum", pixelMajor, [0, 1], false), value.shape);
  }

  #elementwise(value: OperationValue): Value | undefined {
    const { graph } = this;
    const lead = value.inputs.find((input) => this.#pixelMajor.has(input) && sameShape(input.shape, value.shape));
    if (lead === undefined) return undefined;
    const known = this.#pixelMajor.get(lead)!;
    const axes = axesOf(value.shape, known);
    if (axes === undefined) return undefined;
    const [p, n, c] = known.shape as [number, number, number];
    const operands: Value[] = [];
    for (const input of value.inputs) {
      if (sameShape(input.shape, value.shape)) {
        operands.push(this.#toPixelMajor(input, [p, n, c]));
        continue;
      }
      const shape = [...Array<number>(value.shape.length - input.shape.length).fill(1), ...input.shape];
      const [images, pixels] = [shape[0]!, shape.slice(1, axes.pixels.length)];
      const channels = sizeOf(shape.slice(axes.pixels.length));
      const perImage = images === n && axes.pixels[0] === 1 || images === 1;
      if (!perImage || sizeOf(pixels) !== 1 || channels !== c && channels !== 1) return undefined;
      operands.push(reshape(graph, this.current(input), sizeOf(shape) === 1 ? [] : [1, images, channels]));
    }
    const biased = this.#biased(value, operands);
    return biased ?? graph.operation(value.op, operands, value.type, [p, n, c], value.attributes);
  }

  /**
   * Lets the product that makes the rows [down, across N C] add a bias for each image and channel, if the sum is of
   * such a product.
   */
  #biased(sum: OperationValue, operands: readonly Value[]): Value | undefined {
    const { graph } = this;
    if (sum.op !== "Add") return undefined;
    const isWhole = ({ shape }: Value) => sizeOf(shape) === sizeOf(sum.shape);
    const [p, n, c] = operands.find(isWhole)!.shape as [number, number, number];
    for (const [i, j] of [[0, 1], [1, 0]] as const) {
      const [whole, bias] = [operands[i]!, operands[j]!];
      if (isWhole(bias) || this.uses.get(sum.inputs[i]!) !== 1) continue;
      const product = isOperation(whole, "Reshape") ? whole.inputs[0]! : whole;
      if (!isOperation(product, "Gemm") || product.inputs.length !== 2) continue;
      const across = product.shape[1]! / (n * c);
      if (!Number.isInteger(across)) continue;
      const row = reshape(graph, expand(graph, bias, [across, n, c]), [1, product.shape[1]!]);
      const inputs = [...product.inputs, row];
      return reshape(graph, withInputs(graph, product, inputs), [p, n, c]);
    }
    return undefined;
  }

  #concat(value: OperationValue): Value | undefined {
    const { graph } = this;
    const known = value.inputs.map((input) => this.#pixelMajor.get(input)).find((each) => each !== undefined);
    if (known === undefined || value.attributes["axis"] !== value.shape.length - 1) return undefined;
    const [p, n] = known.shape as [number, number];
    const parts: Value[] = [];
    for (const input of value.inputs) {
      const c = input.shape.at(-1)!;
      if (sizeOf(input.shape) !== p * n * c || input.shape[0] !== n) return undefined;
      parts.push(this.#toPixelMajor(input, [p, n, c]));
    }
    return concat(graph, parts, 2);
  }

  /** Returns a value [N P, C], in any shape, as [P, N, C]. */
  #toPixelMajor(value: Value, shape: readonly [number, number, number]): Value {
    const pixelMajor = this.#pixelMajor.get(value);
    if (pixelMajor !== undefined && sameShape(pixelMajor.shape, shape)) return pixelMajor;
    const [p, n, c] = shape;
    return reshape(this.graph, this.#swapRows(reshape(this.graph, this.current(value), [n * p, c]), n, p), shape);
  }

  #imagesFirst(pixelMajor: Value, shape: Shape): Value {
    const [p, n, c] = pixelMajor.shape as [number, number, number];
    return reshape(this.graph, this.#swapRows(reshape(this.graph, pixelMajor, [p * n, c]), p, n), shape);
  }

  /** Turns rows [a b, C] into [b a, C] by a gather: ONNX Runtime gathers with all threads and transposes with one. */
  #swapRows(rows: Value, a: number, b: number): Value {
    if (a === 1 || b === 1) return rows;
    const table = this.graph.table(
      `turned ${a} ${b}`,
      () =>
        this.graph.constant(
          "int32",
          [a * b],
          Int32Array.from({ length: a * b }, (_, i) => i % a * b + Math.floor(i / a)),
        ),
    );
    return gather(this.graph, rows, table, 0);
  }
}

function isTranspose(value: Value, permutation: Shape): boolean {
  return isOperation(value, "Transpose") && sameShape(permutationOf(value), permutation);
}

function axesReduced(value: OperationValue): number[] {
  const at = value.inputs[1];
  return at?.kind === "constant" ? Array.from(at.data, Number) : [];
}

/**
 * Splits a shape into pixel and channel axes whose sizes multiply to the P and C of `pixelMajor` [P, N, C]; undefined
 * if one axis spans both.
 */
function axesOf(shape: Shape, pixelMajor: Value): Axes | undefined {
  const [p, n, c] = pixelMajor.shape as [number, number, number];
  const first = (shape[0] ?? 0) / n;
  if (!Number.isInteger(first) || first === 0) return undefined;
  const pixels = [first];
  while (sizeOf(pixels) < p && pixels.length < shape.length) pixels.push(shape[pixels.length]!);
  const channels = shape.slice(pixels.length);
  return sizeOf(pixels) === p && sizeOf(channels) === c ? { pixels, channels } : undefined;
}
