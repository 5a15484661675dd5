import { scalar, splat } from "../emit/shape.ts";
import { binary, cast, unary, where } from "../emit/elementwise.ts";
import type { ElementType, Graph, Value } from "../graph.ts";
import type { KernelCall, Translation, TranslationTable } from "./translation.ts";

/** @param type of the result, if it is not that of the operands */
/** Operations of one operand, which is converted first. */
function ofOne(ops: readonly string[], convert: (graph: Graph, x: Value) => Value): TranslationTable {
  return Object.fromEntries(
    ops.map((op) => [op, (call) => unary(call.graph, op, convert(call.graph, call.input("x")))]),
  );
}

function ofTwo(op: string, type?: ElementType): Translation {
  return (call) => binary(call.graph, op, ...operands(call), type);
}

function logical(op: string): Translation {
  return (call) => binary(call.graph, op, call.input("a"), call.input("b"), "bool");
}

/** Converts bool to int32: ONNX does not define arithmetic and order on bool, and TF.js counts true as 1. */
function arithmetic(graph: Graph, x: Value): Value {
  return x.type === "bool" ? cast(graph, x, "int32") : x;
}

function operands(call: KernelCall): [Value, Value] {
  return [arithmetic(call.graph, call.input("a")), arithmetic(call.graph, call.input("b"))];
}

/** Divides and rounds towards minus infinity; ONNX's integer Div rounds towards zero. Keeps the type. */
function floorDivide(graph: Graph, a: Value, b: Value): Value {
  if (a.type !== "int32") return unary(graph, "Floor", binary(graph, "Div", a, b));
  // A double holds each int32, and each quotient of two of them closely enough that the floor is exact.
  const quotient = binary(graph, "Div", cast(graph, a, "float64"), cast(graph, b, "float64"));
  return cast(graph, unary(graph, "Floor", quotient), "int32");
}

/** Functions that have the same name in TF.js and ONNX: of float32 elements, and of elements of any type. */
const FLOAT_FUNCTIONS =
  ("Exp Log Sin Cos Tan Asin Acos Atan Sinh Cosh Tanh Asinh Acosh Atanh Sigmoid Sqrt Erf Softplus Elu Selu Reciprocal " +
    "Floor Ceil Round").split(" ");

export const ELEMENTWISE: TranslationTable = {
  // TF.js passes integers to some of these.
  ...ofOne(FLOAT_FUNCTIONS, (graph, x) => cast(graph, x, "float32")),
  ...ofOne(["Neg", "Abs", "Sign", "Relu"], arithmetic),
  Rsqrt: ({ graph, input }) => unary(graph, "Reciprocal", unary(graph, "Sqrt", input("x"))),
  Square: ({ graph, input }) => binary(graph, "Mul", input("x"), input("x")),
  ClipByValue: ({ graph, input, attributes }) => {
    const x = input("x");
    const raised = binary(graph, "Max", x, scalar(graph, x.type, attributes.clipValueMin));
    return binary(graph, "Min", raised, scalar(graph, x.type, attributes.clipValueMax));
  },
  IsNan: ({ graph, input }) => unary(graph, "IsNaN", input("x"), "bool"),
  IsInf: ({ graph, input }) => unary(graph, "IsInf", input("x"), "bool"),

  Add: ofTwo("Add"),
  Sub: ofTwo("Sub"),
  Multiply: ofTwo("Mul"),
  RealDiv: ofTwo("Div"),
  Maximum: ofTwo("Max"),
  Minimum: ofTwo("Min"),
  Pow: ofTwo("Pow"),
  // int32 also for floats: the type that TF.js's kernels return.
  FloorDiv: (call) => cast(call.graph, floorDivide(call.graph, ...operands(call)), "int32"),
  Mod: (call) => {
    const [a, b] = operands(call);
    return binary(call.graph, "Sub", a, binary(call.graph, "Mul", floorDivide(call.graph, a, b), b));
  },
  AddN: ({ graph, inputs }) => inputs().reduce((sum, term) => binary(graph, "Add", sum, term)),

  Equal: ofTwo("Equal", "bool"),
  NotEqual: (call) => unary(call.graph, "Not", binary(call.graph, "Equal", ...operands(call), "bool")),
  Greater: ofTwo("Greater", "bool"),
  GreaterEqual: ofTwo("GreaterOrEqual", "bool"),
  Less: ofTwo("Less", "bool"),
  LessEqual: ofTwo("LessOrEqual", "bool"),
  LogicalAnd: logical("And"),
  LogicalOr: logical("Or"),
  LogicalXor: logical("Xor"),
  LogicalNot: ({ graph, input }) => unary(graph, "Not", input("x")),
  Select: ({ graph, input }) => {
    const [a, b] = [input("t"), input("e")];
    return cast(graph, where(graph, input("condition"), arithmetic(graph, a), arithmetic(graph, b)), a.type);
  },

  Identity: ({ input }) => input("x"),
  Cast: ({ graph, input, elementType }) => cast(graph, input("x"), elementType()),
  Fill: ({ graph, attributes, elementType }) => splat(graph, elementType(), attributes.shape, attributes.value),
};
