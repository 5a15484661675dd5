import onnxProto from "onnx-proto";
import { ONNX_TYPE } from "../trace/emit/elementwise.ts";
import type { FreeLength } from "./any_length.ts";
import { NO_TENSOR_NODE, NO_TENSOR_OUTPUT } from "./no_copies.ts";
import {
  type Attribute,
  type ConstantValue,
  type ElementType,
  type InputValue,
  liveValues,
  type OperationValue,
  type Shape,
  sizeOf,
  type Value,
} from "../trace/graph.ts";

const { onnx } = onnxProto;

/** ONNX IR 8 and operator set 18: axes of every reduction are inputs, and ONNX Runtime >= 1.14 reads it. */
const IR_VERSION = 8;
const OPSET_VERSION = 18;

/** ONNX Runtime's own operators, which `passes/fuse_contrib.ts` inserts. */
const CONTRIB = { domain: "com.microsoft", version: 1, operators: new Set(["FusedMatMul", "QuickGelu"]) };

const INT = onnx.AttributeProto.AttributeType.INT;
const FLOAT = onnx.AttributeProto.AttributeType.FLOAT;
const INTS = onnx.AttributeProto.AttributeType.INTS;

export const INPUT_PREFIX = "in:";
export const OUTPUT_PREFIX = "out:";

/** The parts that only a model for other programs has. */
interface Published {
  /** Names of constants. */
  readonly names: ReadonlyMap<Value, string>;
  /** The axes of every input and output whose lengths are free. All have the same length of the first axis alone. */
  readonly free: readonly FreeLength[];
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Encodes an ONNX ModelProto. Graph inputs and outputs have the given names. If they are not published, a prefix keeps
 * them apart, and the first output is not a tensor (see `no_copies.ts`).
 */
export function serializeModel(
  inputs: readonly InputValue[],
  outputs: ReadonlyMap<string, Value>,
  published?: Published,
): Uint8Array {
  const [inputPrefix, outputPrefix] = published === undefined ? [INPUT_PREFIX, OUTPUT_PREFIX] : ["", ""];
  const valueInfo = (name: string, { type, shape }: { type: ElementType; shape: Shape }): object => {
    const dim = shape.map((dimValue, axis) => {
      const free = published?.free.find((one) => one.axis === axis);
      return free === undefined ? { dimValue } : { dimParam: axis === 0 ? free.name : `${name}_${free.name}` };
    });
    return { name, type: { tensorType: { elemType: ONNX_TYPE[type], shape: { dim } } } };
  };
  const names = new Map<Value, string>(published?.names);
  const copies: [Value, string][] = [];
  for (const [name, value] of outputs) {
    const output = outputPrefix + name;
    // A computed value is written where the caller wants it; a value that is an input, or already has a name, is
    // copied.
    if (value.kind === "operation" && !names.has(value)) names.set(value, output);
    else copies.push([value, output]);
  }
  const nameOf = (value: Value) =>
    names.get(value) ?? (value.kind === "input" ? inputPrefix + value.name : `v${value.id}`);
  const nodes: object[] = [];
  const initializers: object[] = [];
  for (const value of liveValues(outputs.values())) {
    if (value.kind === "operation") nodes.push(operationNode(value, nameOf));
    if (value.kind !== "constant") continue;
    if (value.data.length === sizeOf(value.shape)) {
      initializers.push(initializer(nameOf(value), value, value.shape));
      continue;
    }
    // One element in a large shape is expanded by the graph, so that the file stays small.
    const [element, shape] = [`${nameOf(value)}:element`, `${nameOf(value)}:shape`];
    const lengths = { type: "int64", data: BigInt64Array.from(value.shape, BigInt) } as const;
    initializers.push(initializer(element, value, []), initializer(shape, lengths, [value.shape.length]));
    nodes.unshift({ opType: "Expand", input: [element, shape], output: [nameOf(value)] });
  }
  for (const [value, output] of copies) nodes.push({ opType: "Identity", input: [nameOf(value)], output: [output] });
  return encodeModel({
    name: "traced",
    node: nodes,
    initializer: initializers,
    input: inputs.map((value) => valueInfo(nameOf(value), value)),
    output: [...outputs].map(([name, value]) => valueInfo(outputPrefix + name, value)),
  }, published?.metadata);
}

/**
 * Encodes a GraphProto as a ModelProto.
 *
 * @param metadata of a model for other programs; any other model gets the output that is not a tensor
 */
export function encodeModel(
  { node, output, ...graph }: { readonly name: string } & Readonly<Record<"node" | "input" | "output", object[]>> & {
    readonly initializer?: object[];
  },
  metadata?: Published["metadata"],
): Uint8Array {
  const [nodes, outputs] = metadata === undefined ? [[NO_TENSOR_NODE], [NO_TENSOR_OUTPUT]] : [[], []];
  return onnx.ModelProto.encode({
    irVersion: IR_VERSION,
    opsetImport: [{ domain: "", version: OPSET_VERSION }, { domain: CONTRIB.domain, version: CONTRIB.version }],
    producerName: "noiseline",
    graph: { ...graph, node: [...node, ...nodes], output: [...outputs, ...output] },
    metadataProps: Object.entries(metadata ?? {}).map(([key, value]) => ({ key, value })),
  }).finish();
}

function operationNode(value: OperationValue, nameOf: (value: Value) => string): object {
  return {
    opType: value.op,
    domain: CONTRIB.operators.has(value.op) ? CONTRIB.domain : "",
    // Shown in ONNX Runtime's error messages.
    name: `${value.op}_${value.id}`,
    input: value.inputs.map(nameOf),
    output: [nameOf(value)],
    attribute: Object.entries(value.attributes).map(([name, attribute]) => attributeProto(name, attribute)),
  };
}

function attributeProto(name: string, attribute: Attribute): object {
  if (typeof attribute === "number") return { name, type: INT, i: attribute };
  return "float" in attribute ? { name, type: FLOAT, f: attribute.float } : { name, type: INTS, ints: attribute };
}

function initializer(name: string, { type, data }: Pick<ConstantValue, "type" | "data">, dims: Shape): object {
  // ONNX raw data is little-endian, as typed arrays are on every platform of ONNX Runtime.
  const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { name, dims, dataType: ONNX_TYPE[type], rawData };
}
