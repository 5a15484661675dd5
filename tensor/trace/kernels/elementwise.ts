import { scalar, splat } from "../emit/constants.ts";
import { binary, cast, scale, unary, where } from "../emit/elementwise.ts";
import type { ElementType, Graph, Value } from "../graph.ts";
import type { KernelCall, Translation, TranslationTable } from "./translation.ts";

/** A function of one float32 element. TF.js gives integers to some of these. */
function floatFunction(op: string): Translation {
  return (call) => unary(call.graph, op, cast(call.graph, call.input("x"), "float32"));
}

function sameType(op: string): Translation {
  return (call) => unary(call.graph, op, arithmetic(call.graph, call.input("x")));
}

/** @param type of the result, where it is not that of the operands */
function ofTwo(op: string, type?: ElementType): Translation {
  return (call) => binary(call.graph, op, ...operands(call), type);
}

function logical(op: string): Translation {
  return (call) => binary(call.graph, op, call.input("a"), call.input("b"), "bool");
}

/** ONNX arithmetic and order are not defined on bool; TF.js counts true as 1. */
function arithmetic(graph: Graph, x: Value): Value {
  return x.type === "bool" ? cast(graph, x, "int32") : x;
}

function operands(call: KernelCall): [Value, Value] {
  return [arithmetic(call.graph, call.input("a")), arithmetic(call.graph, call.input("b"))];
}

/** Rounds towards minus infinity; ONNX's integer Div rounds towards zero. Keeps the type. */
function floorDivide(graph: Graph, a: Value, b: Value): Value {
  if (a.type !== "int32") return unary(graph, "Floor", binary(graph, "Div", a, b));
  // A double holds each int32 and each quotient of two of them closely enough that the floor is exact.
  const quotient = binary(graph, "Div", cast(graph, a, "float64"), cast(graph, b, "float64"));
  return cast(graph, unary(graph, "Floor", quotient), "int32");
}

function filled(call: KernelCall, type: ElementType, value: number): Value {
  return splat(call.graph, type, call.input("x").shape, value);
}

/** `x > 0 ? x : slope * x`. */
function leaky(graph: Graph, x: Value, slope: Value): Value {
  const positive = binary(graph, "Greater", x, scalar(graph, "float32", 0), "bool");
  return where(graph, positive, x, binary(graph, "Mul", x, slope));
}

function clipped(graph: Graph, x: Value, low: number, high: number): Value {
  const raised = binary(graph, "Max", x, scalar(graph, x.type, low));
  return binary(graph, "Min", raised, scalar(graph, x.type, high));
}

/** Functions whose name is the same on both sides, of float32 elements and of elements of any type. */
const FLOAT_FUNCTIONS =
  ("Exp Log Sin Cos Tan Asin Acos Atan Sinh Cosh Tanh Asinh Acosh Atanh Sigmoid Sqrt Erf Softplus Elu Selu Reciprocal " +
    "Floor Ceil Round").split(" ");
const SAME_TYPE_FUNCTIONS = ["Neg", "Abs", "Sign", "Relu"];

export const ELEMENTWISE: TranslationTable = {
  ...Object.fromEntries(FLOAT_FUNCTIONS.map((op) => [op, floatFunction(op)])),
  ...Object.fromEntries(SAME_TYPE_FUNCTIONS.map((op) => [op, sameType(op)])),
  Rsqrt: (call) => {
    const root = unary(call.graph, "Sqrt", cast(call.graph, call.input("x"), "float32"));
    return unary(call.graph, "Reciprocal", root);
  },
  Square: ({ graph, input }) => binary(graph, "Mul", input("x"), input("x")),
  Step: ({ graph, input, attribute }) => {
    const x = input("x");
    const positive = binary(graph, "Greater", x, scalar(graph, x.type, 0), "bool");
    const below = attribute<number | undefined>("alpha") ?? 0;
    if (below === 0) return cast(graph, positive, x.type);
    return where(graph, positive, scalar(graph, x.type, 1), scalar(graph, x.type, below));
  },
  ClipByValue: ({ graph, input, attribute }) =>
    clipped(graph, input("x"), attribute("clipValueMin"), attribute("clipValueMax")),
  Relu6: ({ graph, input }) => clipped(graph, input("x"), 0, 6),
  LeakyRelu: ({ graph, input, attribute }) => leaky(graph, input("x"), scalar(graph, "float32", attribute("alpha"))),
  Prelu: ({ graph, input }) => leaky(graph, input("x"), input("alpha")),
  EluGrad: ({ graph, input }) => {
    const [zero, one] = [scalar(graph, "float32", 0), scalar(graph, "float32", 1)];
    return binary(graph, "Mul", input("dy"), binary(graph, "Add", binary(graph, "Min", input("y"), zero), one));
  },
  // Near zero, where exp(x) - 1 cancels: with t = tanh(x / 2) it is 2 t / (1 - t).
  Expm1: ({ graph, input }) => {
    const [x, one] = [input("x"), scalar(graph, "float32", 1)];
    const t = unary(graph, "Tanh", scale(graph, x, 0.5));
    const near = binary(graph, "Div", scale(graph, t, 2), binary(graph, "Sub", one, t));
    const small = binary(graph, "Less", unary(graph, "Abs", x), one, "bool");
    return where(graph, small, near, binary(graph, "Sub", unary(graph, "Exp", x), one));
  },
  IsNan: ({ graph, input }) => unary(graph, "IsNaN", input("x"), "bool"),
  IsInf: ({ graph, input }) => unary(graph, "IsInf", input("x"), "bool"),
  IsFinite: ({ graph, input }) =>
    binary(graph, "Less", unary(graph, "Abs", input("x")), scalar(graph, "float32", Infinity), "bool"),
  // The angle of y / x, with half a turn to the side of y where x is negative.
  Atan2: ({ graph, input }) => {
    const [y, x] = [input("a"), input("b")];
    const number = (value: number) => scalar(graph, "float32", value);
    const negative = (value: Value) => binary(graph, "Less", value, number(0), "bool");
    const side = where(graph, negative(y), number(-Math.PI), number(Math.PI));
    const angle = unary(graph, "Atan", binary(graph, "Div", y, x));
    const turned = binary(graph, "Add", angle, where(graph, negative(x), side, number(0)));
    const upright = scale(graph, unary(graph, "Sign", y), Math.PI / 2);
    return where(graph, binary(graph, "Equal", x, number(0), "bool"), upright, turned);
  },

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
  SquaredDifference: (call) => {
    const difference = binary(call.graph, "Sub", ...operands(call));
    return binary(call.graph, "Mul", difference, difference);
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
  Cast: ({ graph, input, elementType }) => cast(graph, input("x"), elementType("dtype")),
  OnesLike: (call) => filled(call, call.input("x").type, 1),
  ZerosLike: (call) => filled(call, call.input("x").type, 0),
  Fill: ({ graph, attribute, elementType }) =>
    splat(graph, elementType("dtype"), attribute("shape"), attribute("value")),
};
