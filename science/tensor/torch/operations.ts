import { type ElementType, type OperationValue, type Shape, sizeOf, type Value } from "../trace/graph.ts";
import { type Emit, narrow, type Own, padded, permute, reshape, type Run, scoped } from "./kernels.ts";
import { type Handle, longs, type Torch } from "./library.ts";
import { LAYERS } from "./layers.ts";
import { convolution, pool } from "./windows.ts";

/** The operations of a graph as calls of PyTorch's kernels. */

/** Calls an operation of PyTorch with the operands alone. */
function same(name: string): Emit {
  return (_, torch) => (operands) => torch.call(name, ...operands.map(torch.tensor));
}

function each(names: Readonly<Record<string, string>>): Record<string, Emit> {
  return Object.fromEntries(Object.entries(names).map(([op, name]) => [op, same(`aten::${name}`)]));
}

/** Returns the numbers of a constant operand: axes, a shape or bounds. */
export function numbersOf({ inputs, op }: OperationValue, index: number): number[] {
  const input = inputs[index];
  if (input?.kind !== "constant") throw new Error(`Cannot happen: operand ${index} of ${op} is no constant.`);
  const data = Array.from(input.data, Number);
  return data.length === 1 ? Array(sizeOf(input.shape)).fill(data[0]) : data;
}

const attributeOf = ({ attributes }: OperationValue, name: string) => attributes[name] as number;

/** Computes integers in float64, which holds every int32 and every quotient of two of them closely enough. */
function quotientOfIntegers(torch: Torch): Run {
  return ([a, b]) =>
    scoped(torch, (own) => {
      const [x, y] = [a!, b!].map((one) => cast(torch, "float64", one)) as [Handle, Handle];
      const quotient = own(torch.call("aten::div.Tensor", x, y));
      return cast(torch, "int32", own(torch.call("aten::trunc", torch.tensor(quotient))));
    });
}

function cast(torch: Torch, type: ElementType, x: Handle): Handle {
  return torch.call("aten::to.dtype", torch.tensor(x), torch.int(torch.dtypes[type]), 0n, 0n, torch.none);
}

/** @param sign of the second operand, which PyTorch multiplies by it */
function add(sign: 1 | -1): Emit {
  return ({ type }, torch) => {
    const sum: Run = ([a, b]) => torch.kernel("aoti_torch_cpu_add_Tensor", a!, b!, sign);
    if (type === "float32" || type === "float64") return sum;
    // The factor is a float, which PyTorch refuses for integers. A double holds each sum of two of 32 bits, and an
    // int64 that becomes an int32 wraps around.
    return (operands) =>
      scoped(torch, (own) => {
        const total = own(sum(operands.map((one) => own(cast(torch, "float64", one)))));
        return cast(torch, type, own(cast(torch, "int64", total)));
      });
  };
}

const sumLike = (name: string, hasType: boolean): Emit => (value, torch) => {
  const axes = numbersOf(value, 1).map(torch.int);
  const type = torch.int(torch.dtypes[value.type]);
  return ([x]) => {
    const words = [torch.tensor(x!), hasType ? torch.some(torch.list(axes)) : torch.list(axes), torch.bool(false)];
    return torch.call(name, ...words, ...hasType ? [torch.some(type)] : []);
  };
};

const extremePlace = (name: string): Emit => (value, torch) => {
  const axis = torch.int(attributeOf(value, "axis"));
  const keep = torch.bool(attributeOf(value, "keepdims") === 1);
  return ([x]) => torch.call(name, torch.tensor(x!), torch.some(axis), keep);
};

const softmax = (name: string): Emit => (value, torch) => ([x]) =>
  torch.call(name, torch.tensor(x!), torch.int(attributeOf(value, "axis")), torch.bool(false));

const cumulativeSum: Emit = (value, torch) => {
  const { attributes, shape, type } = value;
  const axis = numbersOf(value, 1)[0]!;
  const flip = (own: Own, x: Handle) =>
    attributes["reverse"] === 1 ? own(torch.call("aten::flip", torch.tensor(x), torch.list([torch.int(axis)]))) : x;
  return ([x]) =>
    scoped(torch, (own) => {
      const dtype = torch.some(torch.int(torch.dtypes[type]));
      let sums = own(torch.call("aten::cumsum", torch.tensor(flip(own, x!)), torch.int(axis), dtype));
      if (attributes["exclusive"] === 1) {
        const before = shape.map((_, i) => Number(i === axis));
        const none = shape.map(() => 0);
        sums = own(padded(torch, own(narrow(torch, sums, axis, 0, shape[axis]! - 1)), before, none, 0));
      }
      return torch.tensor(flip(own, sums));
    });
};

/** Takes parts of axes; a negative step goes backwards. */
const slice: Emit = (value, torch) => {
  const [starts, , axes, steps] = [1, 2, 3, 4].map((index) => numbersOf(value, index)) as [number[], ...number[][]];
  const ranges = axes!.map((axis, i) => ({ axis, start: starts[i]!, step: steps![i]!, count: value.shape[axis]! }));
  return ([x]) =>
    scoped(torch, (own) => {
      let part = x!;
      for (const { axis, start, step, count } of ranges) {
        const span = (count - 1) * Math.abs(step);
        const first = step < 0 ? start - span : start;
        const bounds = [first, first + span + 1].map((bound) => longs([bound]));
        const stride = BigInt(Math.abs(step));
        part = own(torch.kernel("aoti_torch_cpu_slice_Tensor", part, BigInt(axis), ...bounds, stride));
        if (step < 0) part = own(torch.call("aten::flip", torch.tensor(part), torch.list([torch.int(axis)])));
      }
      return torch.tensor(part);
    });
};

const gather: Emit = (value, torch) => {
  const axis = torch.int(attributeOf(value, "axis"));
  const at = value.inputs[1]!;
  if (at.kind === "constant" && at.shape.length === 0) {
    const place = torch.int(Number(at.data[0]));
    return ([x]) => torch.call("aten::select.int", torch.tensor(x!), axis, place);
  }
  return ([x, places]) =>
    scoped(torch, (own) => {
      const list = reshape(torch, places!, [sizeOf(at.shape)]);
      const taken = own(torch.call("aten::index_select", torch.tensor(x!), axis, list));
      return reshape(torch, taken, value.shape);
    });
};

const product: Emit = ({ attributes, shape }, torch) => {
  const [transposesA, transposesB] = [attributes["transA"] === 1, attributes["transB"] === 1];
  const operand = (x: Handle, transposes: boolean) => transposes ? permute(torch, x, [1, 0]) : torch.tensor(x);
  return ([a, b, bias]) => {
    const x = operand(a!, transposesA);
    if (bias === undefined) return torch.call("aten::mm", x, operand(b!, transposesB));
    const flat = torch.some(reshape(torch, bias, shape.slice(1)));
    return torch.call("aten::linear", x, operand(b!, !transposesB), flat);
  };
};

const expand: Emit = ({ shape }, torch) => {
  const sizes = shape.map(torch.int);
  return ([x]) => torch.call("aten::expand", torch.tensor(x!), torch.list(sizes), torch.bool(false));
};

const productOfElements: Emit = (value, torch) => {
  // PyTorch multiplies along one axis at a time.
  const axes = numbersOf(value, 1).sort((a, b) => b - a);
  return ([x]) =>
    scoped(torch, (own) => {
      const type = torch.int(torch.dtypes[value.type]);
      const along = (y: Handle, axis: number) =>
        own(torch.call("aten::prod.dim_int", torch.tensor(y), torch.int(axis), torch.bool(false), torch.some(type)));
      return torch.tensor(axes.reduce(along, x!));
    });
};

/** Computes log(exp(x) + exp(0)), which overflows nowhere. */
const softplus: Emit = (_, torch) => ([x]) =>
  torch.call("aten::logaddexp", torch.tensor(x!), torch.view(ZERO, "float32", []));

const ZERO = new Float32Array(1);

/** Adds the part above 0 to exp(x) - 1 of the part below. */
const elu: Emit = (_, torch) => ([x]) =>
  scoped(torch, (own) => {
    const below = torch.call("aten::minimum", torch.tensor(x!), torch.view(ZERO, "float32", []));
    const curved = own(torch.call("aten::expm1", below));
    const above = own(torch.call("aten::relu", torch.tensor(x!)));
    return torch.kernel("aoti_torch_cpu_add_Tensor", above, curved, 1);
  });

/** Every operation that `science/tensor/trace` records. */
export const OPERATIONS: Readonly<Record<string, Emit>> = {
  ...each({ Exp: "exp", Log: "log", Sin: "sin", Cos: "cos", Tan: "tan", Asin: "asin", Acos: "acos", Atan: "atan" }),
  ...each({ Sinh: "sinh", Cosh: "cosh", Tanh: "tanh", Asinh: "asinh", Acosh: "acosh", Atanh: "atanh", Erf: "erf" }),
  ...each({ Sigmoid: "sigmoid", Sqrt: "sqrt", Selu: "selu", Reciprocal: "reciprocal", Relu: "relu", Neg: "neg" }),
  ...each({ Floor: "floor", Ceil: "ceil", Round: "round", Abs: "abs", Sign: "sign", IsNaN: "isnan", IsInf: "isinf" }),
  ...each({ Max: "maximum", Min: "minimum", Pow: "pow.Tensor_Tensor", Where: "where.self", MatMul: "matmul" }),
  ...each({ Equal: "eq.Tensor", Greater: "gt.Tensor", GreaterOrEqual: "ge.Tensor", Less: "lt.Tensor" }),
  ...each({ LessOrEqual: "le.Tensor", And: "logical_and", Or: "logical_or", Xor: "logical_xor", Not: "logical_not" }),
  ...each({ Silu: "silu", SiluGradient: "silu_backward" }),
  ...LAYERS,
  Softplus: softplus,
  Elu: elu,
  Add: add(1),
  Sub: add(-1),
  Mul: (_, torch) => ([a, b]) => torch.kernel("aoti_torch_cpu_mul_Tensor", a!, b!),
  Div: (value, torch) => value.type === "int32" ? quotientOfIntegers(torch) : same("aten::div.Tensor")(value, torch),
  Cast: ({ type }, torch) => ([x]) => cast(torch, type, x!),

  Reshape: ({ shape }, torch) => ([x]) => reshape(torch, x!, shape),
  Transpose: ({ attributes }, torch) => ([x]) => permute(torch, x!, attributes["perm"] as Shape),
  Expand: expand,
  Concat: (value, torch) => {
    const axis = BigInt(attributeOf(value, "axis"));
    return (parts) => torch.kernel("aoti_torch_cpu_cat", BigUint64Array.from(parts), BigInt(parts.length), axis);
  },
  Slice: slice,
  Pad: (value, torch) => {
    const counts = numbersOf(value, 1);
    const rank = value.shape.length;
    const filler = numbersOf(value, 2)[0]!;
    return ([x]) => padded(torch, x!, counts.slice(0, rank), counts.slice(rank), filler);
  },
  Tile: (value, torch) => {
    const repeats = numbersOf(value, 1).map(torch.int);
    return ([x]) => torch.call("aten::tile", torch.tensor(x!), torch.list(repeats));
  },
  Gather: gather,
  Range: ({ shape, type }, torch) => {
    const numbers = Int32Array.from({ length: sizeOf(shape) }, (_, index) => index);
    return () => torch.put(numbers, type, shape);
  },

  ReduceSum: sumLike("aten::sum.dim_IntList", true),
  ReduceMean: sumLike("aten::mean.dim", true),
  ReduceMax: sumLike("aten::amax", false),
  ReduceMin: sumLike("aten::amin", false),
  ReduceProd: productOfElements,
  ArgMax: extremePlace("aten::argmax"),
  ArgMin: extremePlace("aten::argmin"),
  CumSum: cumulativeSum,
  Softmax: softmax("aten::_softmax"),
  LogSoftmax: softmax("aten::_log_softmax"),
  Gemm: product,

  forward: convolution,
  inputGradient: convolution,
  filterGradient: convolution,
  AveragePool: pool,
  MaxPool: pool,
};

/** Operations that may overwrite operands which their results replace. */
export const OVERWRITING: ReadonlySet<string> = new Set(["Adam", "Average"]);

/** Operations with one operand that is a tensor, and constants that say what to do. */
const TOLD = new Set(
  "Reshape Expand Slice Pad Tile CumSum ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd".split(" "),
);

export function tensorsOf({ op, inputs }: OperationValue): readonly Value[] {
  return op === "Range" || op === "Part" ? [] : TOLD.has(op) ? inputs.slice(0, 1) : inputs;
}
