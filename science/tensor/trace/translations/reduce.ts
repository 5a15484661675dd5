import * as tf from "@tensorflow/tfjs-core";
import { scalar } from "../emit/shape.ts";
import { matMul, reduce, type Reduction } from "../emit/contract.ts";
import { cast } from "../emit/elementwise.ts";
import type { KernelCall, Translation, TranslationTable } from "./translation.ts";

function axesOf({ input, attributes }: KernelCall, name = "axis"): number[] {
  const x = input("x");
  return tf.util.parseAxisParam(attributes[name] ?? x.shape.map((_, i) => i), [...x.shape]);
}

function reduction(op: Reduction, axisName = "axis"): Translation {
  return (call) => {
    const x = call.input("x");
    const type = op === "ReduceMean" ? "float32" : x.type === "bool" ? "int32" : x.type;
    const { keepDims = false } = call.attributes;
    return reduce(call.graph, op, cast(call.graph, x, type), axesOf(call, axisName), keepDims);
  };
}

function indexOf(op: "ArgMax" | "ArgMin"): Translation {
  return (call) => {
    const x = call.input("x");
    const axis = axesOf(call)[0]!;
    const shape = x.shape.toSpliced(axis, 1);
    return cast(call.graph, call.graph.operation(op, [x], "int64", shape, { axis, keepdims: 0 }), "int32");
  };
}

function lastAxisFunction(op: string, axisName: string): Translation {
  return ({ graph, input, attributes, fail }) => {
    const logits = input("logits");
    const last = logits.shape.length - 1;
    const axis = attributes[axisName] ?? last;
    if (axis !== last && axis !== -1) fail(`the axis must be the last: got ${axis}`, "transpose first");
    return graph.operation(op, [logits], logits.type, logits.shape, { axis: last });
  };
}

export const REDUCE: TranslationTable = {
  Sum: reduction("ReduceSum"),
  Prod: reduction("ReduceProd"),
  Max: reduction("ReduceMax", "reductionIndices"),
  Min: reduction("ReduceMin"),
  Mean: reduction("ReduceMean"),
  ArgMax: indexOf("ArgMax"),
  ArgMin: indexOf("ArgMin"),
  Cumsum: (call) => {
    const x = call.input("x");
    const flags = { exclusive: Number(call.attributes.exclusive), reverse: Number(call.attributes.reverse) };
    return call.graph.operation("CumSum", [x, scalar(call.graph, "int32", axesOf(call)[0]!)], x.type, x.shape, flags);
  },
  Softmax: lastAxisFunction("Softmax", "dim"),
  LogSoftmax: lastAxisFunction("LogSoftmax", "axis"),
  BatchMatMul: ({ graph, input, attributes }) => matMul(graph, input("a"), input("b"), attributes),
};
