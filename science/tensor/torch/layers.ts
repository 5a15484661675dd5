import { ADAM, ATTENTION, AVERAGE, gradientOf, GROUP_NORM, SILU, UPSAMPLE } from "../layer_kernels.ts";
import { hostKeepMask, KEEP_MASK, type KeepMaskAttributes } from "../random/keep_mask.ts";
import { float, type FloatAttribute, type OperationValue, type Shape, type Value } from "../trace/graph.ts";
import { binary } from "../trace/emit/elementwise.ts";
import { scalar } from "../trace/emit/shape.ts";
import { CONV } from "../trace/translations/conv.ts";
import type { Engine } from "../trace/recorder.ts";
import type { KernelCall } from "../trace/translations/translation.ts";
import { dense, type Emit, type Own, permute, reshape, scoped } from "./kernels.ts";
import type { Handle } from "./library.ts";
import { imageOrders } from "./windows.ts";

/** Whole layers and their gradients in PyTorch's own kernels, most of which have several results. */

/** Records an operation with results of these shapes. */
function several(
  { graph, input }: KernelCall,
  op: string,
  names: readonly string[],
  [shape, ...more]: readonly [Shape, ...Shape[]],
  attributes: OperationValue["attributes"] = {},
): [Value, ...Value[]] {
  const first = graph.operation(op, names.map(input), "float32", shape, attributes);
  return [first, ...more.map((shape, i) => graph.operation("Part", [first], "float32", shape, { index: i + 1 }))];
}

/** Records a convolution whose filter is in PyTorch's order: its gradient finds it there, and each prediction. */
const ordered = (name: "Conv2D" | "Conv2DBackpropInput") => (call: KernelCall) =>
  CONV[name]!({
    ...call,
    input(operand) {
      const value = call.input(operand);
      return operand === "filter" ? call.graph.operation("FilterOrder", [value], value.type, value.shape) : value;
    },
  });

export const LAYER_TRANSLATIONS: NonNullable<Engine["kernels"]> = {
  Conv2D: ordered("Conv2D"),
  Conv2DBackpropInput: ordered("Conv2DBackpropInput"),
  [GROUP_NORM]: (call) => {
    const { shape } = call.input("x");
    const { groups, epsilon } = call.attributes;
    const sums = [shape[0]!, groups];
    return several(call, "GroupNorm", ["x", "scale", "bias"], [shape, sums, sums], { groups, epsilon: float(epsilon) });
  },
  [gradientOf(GROUP_NORM)]: (call) => {
    const [shape, scale] = [call.input("x").shape, call.input("scale").shape];
    const names = ["dy", "x", "saved0", "saved1", "scale"];
    return several(call, "GroupNormGradient", names, [shape, scale, scale], { groups: call.attributes.groups });
  },
  // The gradient reads the layer's operand, not its results.
  [SILU]: (call) => [...several(call, "Silu", ["x"], [call.input("x").shape]), call.input("x")],
  [gradientOf(SILU)]: (call) => several(call, "SiluGradient", ["dy", "saved0"], [call.input("dy").shape])[0],
  [ATTENTION]: (call) => {
    const { shape } = call.input("q");
    const attributes = { scale: float(call.attributes.scale) };
    const heads = shape.length === 3 ? [shape[0]!, 1] : shape.slice(0, 2);
    const [y, sums] = several(call, "Attention", ["q", "k", "v"], [shape, [...heads, shape.at(-2)!]], attributes);
    return [y, sums!, y];
  },
  [gradientOf(ATTENTION)]: (call) => {
    const attributes = { scale: float(call.attributes.scale) };
    const [q, k] = [call.input("q").shape, call.input("k").shape];
    return several(call, "AttentionGradient", ["dy", "q", "k", "v", "saved1", "saved0"], [q, k, k], attributes);
  },
  [KEEP_MASK]: (call) => {
    const { shape, site, rate }: KeepMaskAttributes = call.attributes;
    return several(call, "KeepMask", ["key"], [shape], { site, rate: float(rate) })[0];
  },
  [ADAM]: (call) => {
    const { beta1, beta2, epsilon } = call.attributes;
    const names = ["params", "m", "v", "grads", "clip", "learningRate", "biasCorrection1", "biasCorrection2"];
    // PyTorch's kernel decays weights by another formula.
    if (beta2 === 0 || call.inputs().length > names.length) return undefined;
    const { shape } = call.input("params");
    const constants = { beta1: float(beta1), beta2: float(beta2), epsilon: float(epsilon) };
    return several(call, "Adam", names, [shape, shape, shape], constants);
  },
  [AVERAGE]: ({ graph, input }) => {
    const share = binary(graph, "Sub", scalar(graph, "float32", 1), input("decay"));
    return graph.operation("Average", [input("average"), input("params"), share], "float32", input("average").shape);
  },
  [UPSAMPLE]: (call) => several(call, "Upsample", ["x"], [scaled(call.input("x").shape, 2)]),
  [gradientOf(UPSAMPLE)]: (call) => several(call, "UpsampleGradient", ["dy"], [scaled(call.input("dy").shape, 0.5)])[0],
};

/** Returns the shape of images whose height and width are multiplied. */
function scaled(shape: Shape, factor: number): Shape {
  return shape.map((length, axis) => axis === 1 || axis === 2 ? factor * length : length);
}

const { first, last } = imageOrders(2);

const normalisation = (name: string, affine: number): Emit => (value, torch) => {
  const { shape, attributes } = value;
  const [batch, height, width, channels] = shape as [number, number, number, number];
  const sizes = [batch, channels, height * width, attributes["groups"] as number].map(torch.int);
  const epsilon = attributes["epsilon"] as FloatAttribute | undefined;
  const images = value.inputs.filter((input) => input.shape.length === 4).length;
  return (operands) =>
    scoped(torch, (own) => {
      const seen = operands.slice(0, images).map((x) => own(permute(torch, own(dense(torch, x)), first)));
      const rest = operands.slice(images).map(torch.tensor);
      const words = rest.map((word, i) => i < rest.length - affine ? word : torch.some(word));
      const ends = epsilon === undefined ? torch.list([1n, 1n, 1n]) : torch.float(epsilon.float);
      const [image, ...sums] = torch.results(3, name, ...seen.map(torch.tensor), ...words, ...sizes, ends);
      return [permute(torch, own(image!), last), ...sums];
    });
};

/** The place among the gradient's operands of logarithms of sums, which have no channels. */
const SUMS_OPERAND = 5;

const attention = (name: string, count: 2 | 3): Emit => (value, torch) => {
  const { shape, inputs, attributes } = value;
  const scale = torch.float((attributes["scale"] as FloatAttribute).float);
  // Without heads there is one.
  const withHeads = (own: Own, x: Handle, { shape }: Value) => {
    const read = torch.kernel("aoti_torch_get_stride", x, BigInt(shape.length - 1)) === 1n ? x : own(dense(torch, x));
    return shape.length === 4 ? read : own(torch.call("aten::unsqueeze", torch.tensor(read), torch.int(1)));
  };
  return (operands) =>
    scoped(torch, (own) => {
      const seen = operands.map((x, i) => i === SUMS_OPERAND ? x : withHeads(own, x, inputs[i]!));
      const words = [...seen.map(torch.tensor), torch.float(0), torch.bool(false), torch.none, torch.some(scale)];
      const results = torch.results(count, name, ...words);
      const isSums = (i: number) => count === 2 && i === 1;
      return results.map((one, i) =>
        isSums(i) || shape.length === 4 ? one : torch.call("aten::squeeze.dim", one, torch.int(1))
      );
    });
};

const resized = (name: string): Emit => ({ shape, inputs }, torch) => {
  const sizes = [shape, inputs[0]!.shape].map(([batch, height, width, channels]) =>
    [batch!, channels!, height!, width!].map(torch.int)
  );
  const isGradient = name.endsWith("_backward");
  return ([x]) =>
    scoped(torch, (own) => {
      const [small, large] = isGradient ? sizes : sizes.toReversed();
      const words = [large!.slice(2), ...isGradient ? [small!] : []].map(torch.list);
      const image = torch.call(name, permute(torch, own(dense(torch, x!)), first), ...words, torch.none, torch.none);
      return permute(torch, own(image), last);
    });
};

/** Computes the mask in memory of the host, which stays until the next run: PyTorch adds no integers of 32 bits. */
const mask: Emit = ({ shape, attributes }, torch) => {
  const { site, rate } = attributes as { readonly site: number; readonly rate: FloatAttribute };
  const key = new Int32Array(2);
  let kept: Float32Array<ArrayBuffer>;
  return ([given]) =>
    scoped(torch, (own) => {
      torch.copy(own(torch.view(key, "int32", [2])), given!);
      kept = hostKeepMask(key, { shape, site, rate: rate.float });
      return torch.put(kept, "float32", shape);
    });
};

/**
 * PyTorch computes both bias corrections from the number of steps. The number is found from the second moment's; the
 * learning rate makes up for what the first moment's then differs by.
 */
const adam: Emit = ({ attributes }, torch) => {
  const [beta1, beta2, epsilon] = ["beta1", "beta2", "epsilon"].map((name) =>
    (attributes[name] as FloatAttribute).float
  ) as [number, number, number];
  const [read, step] = [new Float32Array(1), new Float32Array(1)];
  const number = (own: Own, x: Handle) => {
    torch.copy(own(torch.view(read, "float32", [])), x);
    return read[0]!;
  };
  return ([params, m, v, grads, clip, learningRate, correction1, correction2], overwrites) =>
    scoped(torch, (own) => {
      const state = [params!, m!, v!, grads!].map((x, i) =>
        overwrites[i] === true ? dense(torch, x) : torch.call("aten::clone", torch.tensor(x), torch.some(torch.int(0)))
      );
      step[0] = Math.log1p(-number(own, correction2!)) / Math.log(beta2);
      const factor = (1 - beta1 ** step[0]) / number(own, correction1!);
      const rate = torch.float(number(own, learningRate!) * factor);
      const [p, first, second, g] = state.map((x) => torch.list([torch.tensor(x)])) as [bigint, bigint, bigint, bigint];
      own(state.pop()!);
      const steps = torch.list([torch.put(step, "float32", [])]);
      const constants = [beta1, beta2, 0, epsilon].map(torch.float);
      const divisor = torch.some(torch.call("aten::reciprocal", torch.tensor(clip!)));
      const none = torch.list([]);
      const [amsgrad, maximize] = [torch.bool(false), torch.bool(false)];
      const words = [p, g, first, second, none, steps, rate, ...constants, amsgrad, maximize, divisor, torch.none];
      torch.results(0, "aten::_fused_adam_", ...words);
      return state;
    });
};

const average: Emit = (_, torch) => (operands, [overwrites]) =>
  torch.call(`aten::lerp${overwrites === true ? "_" : ""}.Tensor`, ...operands.map(torch.tensor));

/** [kH, kW, C, O], in memory as [O, kH, kW, C]: PyTorch turns matrices over in blocks, and nothing else. */
const filterOrder: Emit = ({ shape }, torch) => {
  const [kernelHeight, kernelWidth, channels, results] = shape as [number, number, number, number];
  const rows = kernelHeight * kernelWidth * channels;
  return ([filter]) =>
    scoped(torch, (own) => {
      const turned = own(permute(torch, own(reshape(torch, filter!, [rows, results])), [1, 0]));
      const filters = own(reshape(torch, own(dense(torch, turned)), [results, kernelHeight, kernelWidth, channels]));
      return permute(torch, filters, [1, 2, 3, 0]);
    });
};

/** Layers and their gradients, and updates. */
export const LAYERS: Readonly<Record<string, Emit>> = {
  GroupNorm: normalisation("aten::native_group_norm", 2),
  GroupNormGradient: normalisation("aten::native_group_norm_backward", 1),
  Attention: attention("aten::_scaled_dot_product_flash_attention_for_cpu", 2),
  AttentionGradient: attention("aten::_scaled_dot_product_flash_attention_for_cpu_backward", 3),
  FilterOrder: filterOrder,
  KeepMask: mask,
  Adam: adam,
  Average: average,
  Upsample: resized("aten::upsample_nearest2d"),
  UpsampleGradient: resized("aten::upsample_nearest2d_backward"),
};
