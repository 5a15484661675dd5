"""Cases of TF.js's own ops: all ops with a gradient that a network in user code may call.

A case names the op of TF.js and its arguments, where "@x" stands for the input x, and contains the expected result.

Needs: torch, numpy.
"""

import numpy as np
import torch
import torch.nn.functional as F

import layers
from fixture import Fixture, generator, to_double


class Cases:
    def __init__(self):
        self.fixture = Fixture()

    def add(self, call, args, inputs, function, *, label="", draw=None, gradients=True, terms=1):
        """inputs: shapes of float32 tensors, or whole arrays.
        draw: (random, shape) -> numbers, default N(0, 1)."""
        shapes = " ".join("x".join(map(str, i.shape if isinstance(i, np.ndarray) else i)) for i in inputs.values())
        name = f"{call} {shapes or 'scalar'}{' ' if label else ''}{label}"
        random = generator(name)
        draw = draw or (lambda random, shape: random.standard_normal(shape))
        arrays = {
            key: value if isinstance(value, np.ndarray) else np.asarray(draw(random, value), np.float32)
            for key, value in inputs.items()
        }
        reference = lambda tensors: function(*tensors.values())
        if gradients:
            shape = tuple(reference(to_double(arrays)).shape)
            arrays["cotangent"] = random.standard_normal(shape).astype(np.float32)
        count = {key: terms for key in ["y", *(f"d{key}" for key in inputs)]}
        self.fixture.evaluate(name, call, arrays, reference, attributes={"args": args}, terms=count)

    def unary(self, call, function, draw=None, **more):
        self.add(call, ["@x"], {"x": (2, 3, 5, 6)}, lambda x: function(x), draw=draw, **more)


def uniform(low, high):
    return lambda random, shape: random.uniform(low, high, shape)


def away_from(*edges, low=-3, high=3, gap=0.01):
    """Returns a sampler of numbers that rounding cannot move across an edge."""

    def draw(random, shape):
        x = random.uniform(low, high, shape)
        for edge in edges:
            x = np.where(np.abs(x - edge) < gap, edge + 2 * gap, x)
        return x

    return draw


def distinct(random, shape):
    """Returns numbers whose order rounding cannot change."""
    count = int(np.prod(shape))
    return random.permutation(count).reshape(shape) / count * 4 - 2


def as_float(condition):
    return condition.to(torch.float64)


def images(function):
    return lambda x, *rest: layers.channels_last(function(layers.channels_first(x), *rest))


def padding_of(size, kernel, stride, dilation, padding):
    """Returns TensorFlow's 'same' padding: as many outputs as strides; an odd zero goes to the end."""
    if padding == "valid":
        return 0, 0
    total = max((-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


def padded(x, kernel, stride, dilation, padding, value=0.0):
    """Pads [N, C, ...size] as `padding` says."""
    pads = [padding_of(size, k, stride, dilation, padding) for size, k in zip(x.shape[2:], kernel)]
    return F.pad(x, [count for pair in reversed(pads) for count in pair], value=value)


def first(x):
    return x.movedim(-1, 1)


def last(x):
    return x.movedim(1, -1)


def max_pool(x, kernel, stride, padding):
    function = F.max_pool2d if x.ndim == 4 else F.max_pool3d
    return last(function(padded(first(x), kernel, stride, 1, padding, -torch.inf), kernel, stride))


def avg_pool(x, kernel, stride, padding):
    function = F.avg_pool2d if x.ndim == 4 else F.avg_pool3d
    sums = function(padded(first(x), kernel, stride, 1, padding), kernel, stride)
    counts = function(padded(torch.ones_like(first(x)), kernel, stride, 1, padding), kernel, stride)
    return last(sums / counts)


def conv(x, kernel, stride, padding, dilation=1):
    function = F.conv2d if x.ndim == 4 else F.conv3d
    size = kernel.shape[:-2]
    weights = kernel.permute(kernel.ndim - 1, kernel.ndim - 2, *range(kernel.ndim - 2))
    return last(function(padded(first(x), size, stride, dilation, padding), weights, stride=stride, dilation=dilation))


def depthwise(x, kernel, stride, padding):
    height, width, channels, multiplier = kernel.shape
    weights = kernel.permute(2, 3, 0, 1).reshape(channels * multiplier, 1, height, width)
    return last(F.conv2d(padded(first(x), (height, width), stride, 1, padding), weights, stride=stride, groups=channels))


def along(matrix, x, axis):
    return torch.tensordot(torch.from_numpy(matrix), x, ([1], [axis])).movedim(0, axis)


def sources(size, out, align, half, nearest):
    """Returns, by TensorFlow's rule, the pixels of an axis that each pixel of the result comes from, as a matrix."""
    ratio = (size - 1) / (out - 1) if align and out > 1 else size / out
    matrix = np.zeros((out, size))
    for i in range(out):
        if nearest:
            place = ratio * (i + 0.5) if half else ratio * i
            matrix[i, max(0, min(size - 1, int(np.floor(place + 0.5 if align else place))))] = 1
        else:
            place = max(0.0, ratio * (i + 0.5) - 0.5 if half else ratio * i)
            low = min(int(np.floor(place)), size - 1)
            matrix[i, low] += 1 - (place - low)
            matrix[i, min(low + 1, size - 1)] += place - low
    return matrix


def resize(x, size, align, half, nearest):
    rows, columns = (sources(x.shape[1 + axis], size[axis], align, half, nearest) for axis in (0, 1))
    return along(columns, along(rows, x, 1), 2)


def cumulative(function, x, axis, exclusive, reverse, neutral):
    x = x.flip(axis) if reverse else x
    if exclusive:
        start = torch.full_like(x.narrow(axis, 0, 1), neutral)
        x = torch.cat([start, x.narrow(axis, 0, x.shape[axis] - 1)], axis)
    y = function(x, axis)
    return y.flip(axis) if reverse else y


def mirrored(x, paddings, mode):
    for axis, (before, after) in enumerate(paddings):
        size, edge = x.shape[axis], 1 if mode == "reflect" else 0
        front = [before - 1 + edge - i for i in range(before)]
        back = [size - 1 - edge - i for i in range(after)]
        x = torch.index_select(x, axis, torch.tensor([*front, *range(size), *back]))
    return x


def space_to_batch(x, block, paddings):
    x = F.pad(x, [0, 0, *paddings[1], *paddings[0]])
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // block[0], block[0], width // block[1], block[1], channels)
    return x.permute(2, 4, 0, 1, 3, 5).reshape(-1, height // block[0], width // block[1], channels)


def batch_to_space(x, block, crops):
    batch, height, width, channels = x.shape
    x = x.reshape(block[0], block[1], -1, height, width, channels).permute(2, 3, 0, 4, 1, 5)
    x = x.reshape(-1, height * block[0], width * block[1], channels)
    (top, bottom), (left, right) = crops
    return x[:, top : x.shape[1] - bottom, left : x.shape[2] - right]


def local_response(x, radius, bias, alpha, beta):
    squares = F.pad(x**2, [radius, radius]).unfold(-1, 2 * radius + 1, 1).sum(-1)
    return x * (bias + alpha * squares) ** -beta


def elementwise(cases):
    far = away_from(0)
    for call, function, draw in [
        ("tan", torch.tan, uniform(-1.3, 1.3)),
        ("asin", torch.asin, uniform(-0.9, 0.9)),
        ("acos", torch.acos, uniform(-0.9, 0.9)),
        ("atan", torch.atan, uniform(-9, 9)),
        ("sinh", torch.sinh, uniform(-3, 3)),
        ("cosh", torch.cosh, uniform(-3, 3)),
        ("asinh", torch.asinh, uniform(-9, 9)),
        ("acosh", torch.acosh, uniform(1.2, 9)),
        ("atanh", torch.atanh, uniform(-0.9, 0.9)),
        ("erf", torch.erf, uniform(-3, 3)),
        ("expm1", torch.expm1, uniform(-2, 2)),
        ("log1p", torch.log1p, uniform(-0.5, 4)),
        ("softplus", F.softplus, uniform(-9, 9)),
        ("reciprocal", torch.reciprocal, away_from(0, gap=0.3)),
        ("abs", torch.abs, far),
        ("elu", F.elu, far),
        ("selu", F.selu, far),
        ("relu6", F.relu6, away_from(0, 6, low=-4, high=9)),
    ]:
        cases.unary(call, function, draw)
    # Values so small that the plain formulas would lose their digits.
    cases.unary("expm1", torch.expm1, uniform(-1e-4, 1e-4), label="tiny")
    cases.unary("log1p", torch.log1p, uniform(-1e-4, 1e-4), label="tiny")
    for call, function in [("floor", torch.floor), ("ceil", torch.ceil), ("sign", torch.sign)]:
        # The function is constant between its steps.
        cases.unary(call, lambda x, function=function: function(x) + 0 * x, away_from(*range(-3, 4)))
    cases.unary("round", lambda x: torch.round(x) + 0 * x, away_from(-2.5, -1.5, -0.5, 0.5, 1.5, 2.5))
    cases.unary("step", lambda x: as_float(x > 0) + 0 * x, far)
    cases.add("leakyRelu", ["@x", 0.3], {"x": (2, 3, 4)}, lambda x: F.leaky_relu(x, 0.3), draw=far)
    slopes = lambda x, alpha: torch.where(x > 0, x, alpha * x)
    cases.add("prelu", ["@x", "@alpha"], {"x": (2, 3, 4), "alpha": (4,)}, slopes, draw=far, terms=6)
    for shapes in [((2, 3, 4), (2, 3, 4)), ((2, 3, 4), (4,))]:
        inputs = dict(zip("ab", shapes))
        more = {"draw": away_from(0, gap=0.2), "terms": 6}
        cases.add("atan2", ["@a", "@b"], inputs, torch.atan2, **more, label="quadrants")
        cases.add("squaredDifference", ["@a", "@b"], inputs, lambda a, b: (a - b) ** 2, terms=6)
        cases.add("minimum", ["@a", "@b"], inputs, torch.minimum, terms=6)
        cases.add("pow", ["@a", "@b"], inputs, torch.pow, draw=uniform(0.5, 3), terms=6)
        cases.add("mod", ["@a", "@b"], inputs, torch.remainder, draw=uniform(0.7, 4.1), terms=6)
    axes = {"a": np.array([1, -1, 0, 0, -2], np.float32), "b": np.array([0, 0, 2, -2, -2], np.float32)}
    cases.add("atan2", ["@a", "@b"], axes, lambda a, b: torch.atan2(a, b), gradients=False, label="on the axes")
    cases.add("addN", [["@a", "@b", "@c"]], {"a": (2, 5), "b": (2, 5), "c": (2, 5)}, lambda a, b, c: a + b + c)
    odd = np.array([np.nan, np.inf, -np.inf, 0, -1, 3e38], np.float32)
    for call, function in [("isNaN", torch.isnan), ("isInf", torch.isinf), ("isFinite", torch.isfinite)]:
        cases.add("cast", [[call, "@x"], "float32"], {"x": odd}, lambda x, f=function: as_float(f(x)), gradients=False, label=call)
    pair = {"a": np.array([1, 2, 3, 0], np.float32), "b": np.array([2, 2, 2, 0], np.float32)}
    for call, function in [
        ("equal", torch.eq),
        ("notEqual", torch.ne),
        ("less", torch.lt),
        ("lessEqual", torch.le),
        ("greater", torch.gt),
        ("greaterEqual", torch.ge),
    ]:
        reference = lambda a, b, f=function: as_float(f(a, b))
        cases.add("cast", [[call, "@a", "@b"], "float32"], pair, reference, gradients=False, label=call)
    bits = lambda name: ["cast", f"@{name}", "bool"]
    logic = {"a": np.array([0, 0, 1, 1], np.float32), "b": np.array([0, 1, 0, 1], np.float32)}
    for call, function in [
        ("logicalAnd", torch.logical_and),
        ("logicalOr", torch.logical_or),
        ("logicalXor", torch.logical_xor),
    ]:
        reference = lambda a, b, f=function: as_float(f(a, b))
        args = [[call, bits("a"), bits("b")], "float32"]
        cases.add("cast", args, logic, reference, gradients=False, label=call)
    cases.add("cast", [["logicalNot", bits("a")], "float32"], {"a": logic["a"]}, lambda a: 1 - a, gradients=False, label="not")
    for call, function in [("any", torch.any), ("all", torch.all)]:
        table = np.array([[0, 0], [0, 1], [1, 1]], np.float32)
        reference = lambda x, f=function: as_float(f(x > 0, 1))
        cases.add("cast", [[call, bits("x"), 1], "float32"], {"x": table}, reference, gradients=False, label=call)
    cases.add("floorDiv", ["@a", "@b"], {"a": (6,), "b": (6,)}, lambda a, b: torch.floor(a / b), draw=uniform(1.1, 9), gradients=False)
    cases.add("zerosLike", ["@x"], {"x": (3,)}, lambda x: 0 * x, gradients=False)
    cases.add("onesLike", ["@x"], {"x": (3,)}, lambda x: 0 * x + 1, gradients=False)
    cases.add("clone", ["@x"], {"x": (3,)}, lambda x: x + 0)


def sums(cases):
    for equation, a, b, terms in [
        ("bhqd,bhkd->bhqk", (2, 3, 4, 5), (2, 3, 6, 5), 6),
        ("bqhd,bkhd->bhqk", (2, 4, 3, 5), (2, 6, 3, 5), 6),
        ("ij,jk->ik", (3, 4), (4, 5), 5),
        ("ij,kj->", (3, 4), (5, 4), 60),
        ("i,j->ji", (3,), (4,), 4),
        ("ijk,jl->kl", (2, 3, 4), (3, 5), 10),
        ("bi,bi->b", (3, 4), (3, 4), 4),
    ]:
        reference = lambda a, b, equation=equation: torch.einsum(equation, a, b)
        cases.add("einsum", [equation, "@a", "@b"], {"a": a, "b": b}, reference, label=equation, terms=terms)
    for equation in ("ijk->ki", "ij->"):
        shape = (2, 3, 4)[: equation.index("-")]
        reference = lambda a, equation=equation: torch.einsum(equation, a)
        cases.add("einsum", [equation, "@a"], {"a": shape}, reference, label=equation, terms=6)
    for axis, exclusive, reverse in [(0, False, False), (1, True, False), (2, False, True), (2, True, True)]:
        label = f"axis {axis}{' exclusive' if exclusive else ''}{' reverse' if reverse else ''}"
        for call, function, neutral in [("cumsum", torch.cumsum, 0), ("cumprod", torch.cumprod, 1)]:
            reference = lambda x, f=function, n=neutral: cumulative(f, x, axis, exclusive, reverse, n)
            cases.add(call, ["@x", axis, exclusive, reverse], {"x": (4, 3, 5)}, reference, label=label, terms=5)
    zero = np.array([[2, 0, 3, -1], [1, 2, 3, 4]], np.float32)
    cases.add("cumprod", ["@x", 1], {"x": zero}, lambda x: torch.cumprod(x, 1), label="of a zero", terms=4)
    for axis in ([1], [0, 2], [-1]):
        reference = lambda x: x.movedim(axis, list(range(-len(axis), 0))).flatten(-len(axis)).prod(-1)
        cases.add("prod", ["@x", axis], {"x": (2, 3, 4)}, reference, label=f"over {axis}", terms=8)
    for call, function in [("max", torch.amax), ("min", torch.amin)]:
        for axis in (1, -1, [0, 2]):
            reference = lambda x, f=function: f(x, axis)
            cases.add(call, ["@x", axis], {"x": (2, 3, 4)}, reference, draw=distinct, label=f"over {axis}")
    for call, function in [("argMax", torch.argmax), ("argMin", torch.argmin)]:
        reference = lambda x, f=function: f(x, 1).to(torch.float64)
        args = [[call, "@x", 1], "float32"]
        cases.add("cast", args, {"x": (2, 5, 3)}, reference, draw=distinct, gradients=False, label=call)
    cases.add("logSoftmax", ["@x"], {"x": (3, 7)}, lambda x: torch.log_softmax(x, -1), terms=7)
    norm = {"x": (2, 3, 3, 5), "mean": (5,), "variance": (5,), "offset": (5,), "scale": (5,)}
    whiten = lambda x, mean, variance, offset, scale: (x - mean) / torch.sqrt(variance + 1e-3) * scale + offset
    args = ["@x", "@mean", "@variance", "@offset", "@scale", 1e-3]
    cases.add("batchNorm", args, norm, whiten, draw=uniform(0.5, 2), terms=18)
    plain = {key: norm[key] for key in ("x", "mean", "variance")}
    bare = lambda x, mean, variance: (x - mean) / torch.sqrt(variance + 1e-3)
    more = {"draw": uniform(0.5, 2), "gradients": False, "label": "bare"}
    cases.add("batchNorm", ["@x", "@mean", "@variance"], plain, bare, **more)
    response = lambda x: local_response(x, 2, 1.5, 0.7, 0.6)
    cases.add("localResponseNormalization", ["@x", 2, 1.5, 0.7, 0.6], {"x": (2, 3, 4, 7)}, response, terms=5)
    segments = np.array([2, 0, 2, 1, 2], np.int32)
    reference = lambda x, at: torch.zeros(3, 4, dtype=x.dtype).index_add(0, at, x)
    cases.add("unsortedSegmentSum", ["@x", "@at", 3], {"x": (5, 4), "at": segments}, reference, terms=3)


def movement(cases):
    for mode in ("reflect", "symmetric"):
        paddings = [[0, 0], [2, 1], [1, 2], [0, 0]]
        reference = lambda x: mirrored(x, paddings, mode)
        cases.add("mirrorPad", ["@x", paddings, mode], {"x": (2, 4, 3, 2)}, reference, label=mode, terms=9)
    cases.add("reverse", ["@x", [0, 2]], {"x": (2, 3, 4)}, lambda x: x.flip(0, 2))
    cases.add("stack", [["@a", "@b"], 1], {"a": (2, 3), "b": (2, 3)}, lambda a, b: torch.stack([a, b], 1))
    cases.add("concat", [["unstack", "@x", 1], 0], {"x": (2, 3)}, lambda x: x.T.reshape(-1), label="of unstacked")
    cases.add("expandDims", ["@x", -1], {"x": (2, 3)}, lambda x: x[..., None])
    cases.add("broadcastTo", ["@x", [4, 2, 3]], {"x": (2, 1)}, lambda x: x.expand(4, 2, 3), terms=12)
    args = ["@x", [0, 3, 1], [2, 0, 4], [1, -2, 1]]
    cases.add("stridedSlice", args, {"x": (2, 5, 4)}, lambda x: x[0:2, [3, 1], 1:4], gradients=False)
    rows = np.array([[0, 2], [1, 1]], np.int32)
    taken = lambda x, at: torch.stack([x[i, at[i].long()] for i in range(2)])
    cases.add("gather", ["@x", "@at", 1, 1], {"x": (2, 4, 3), "at": rows}, taken, label="batches", terms=2)
    columns = np.array([3, 0, 3], np.int32)
    cases.add("gather", ["@x", "@at", -1], {"x": (2, 4), "at": columns}, lambda x, at: x[:, at.long()], label="last", terms=2)
    cases.add("oneHot", ["@at", 5, 2, -1], {"at": columns}, lambda at: as_float(F.one_hot(at.long(), 5)) * 3 - 1, gradients=False)
    cases.add("range", [0, 7, 2], {}, lambda: torch.arange(0, 7, 2, dtype=torch.float64), gradients=False)
    block, paddings = [2, 3], [[1, 0], [0, 2]]
    reference = lambda x: space_to_batch(x, block, paddings)
    cases.add("spaceToBatchND", ["@x", block, paddings], {"x": (2, 3, 4, 2)}, reference)
    reference = lambda x: batch_to_space(x, block, paddings)
    cases.add("batchToSpaceND", ["@x", block, paddings], {"x": (12, 2, 3, 2)}, reference)
    for call, nearest in [("image.resizeBilinear", False), ("image.resizeNearestNeighbor", True)]:
        for size in ([6, 7], [2, 3], [8, 10]):
            for align, half in [(False, False), (True, False), (False, True)]:
                label = f"to {size[0]}x{size[1]}{' corners' if align else ''}{' centers' if half else ''}"
                reference = lambda x: resize(x, size, align, half, nearest)
                cases.add(call, ["@x", size, align, half], {"x": (2, 4, 5, 3)}, reference, label=label, terms=16)


def windows(cases):
    for stride, padding in [(1, "same"), (2, "same"), (2, "valid"), (3, "same")]:
        label = f"stride {stride} {padding}"
        for call, function in [("maxPool", max_pool), ("avgPool", avg_pool)]:
            reference = lambda x, f=function: f(x, (3, 2), stride, padding)
            args = ["@x", [3, 2], stride, padding]
            cases.add(call, args, {"x": (2, 7, 6, 3)}, reference, draw=distinct, label=label, terms=6)
            if stride == 3:
                # TF.js pads volumes differently; a separate test checks that this is refused.
                continue
            volume = lambda x, f=function: f(x, (2, 3, 2), stride, padding)
            args = ["@x", [2, 3, 2], stride, padding]
            cases.add(f"{call}3d", args, {"x": (2, 4, 5, 3, 2)}, volume, draw=distinct, label=label, terms=12)
        args = ["@x", "@kernel", stride, padding]
        for multiplier in (1, 2):
            inputs = {"x": (2, 5, 6, 3), "kernel": (3, 2, 3, multiplier)}
            reference = lambda x, kernel: depthwise(x, kernel, stride, padding)
            cases.add("depthwiseConv2d", args, inputs, reference, label=label, terms=60)
        if stride == 3:
            continue
        reference = lambda x, kernel: conv(x, kernel, stride, padding)
        inputs = {"x": (2, 4, 5, 3, 2), "kernel": (2, 3, 2, 2, 4)}
        cases.add("conv3d", args, inputs, reference, label=label, terms=120)
    # A case in which only the gradients are refused.
    args = ["@x", "@kernel", 2, "same"]
    inputs = {"x": (2, 6, 7, 3), "kernel": (3, 3, 3, 2)}
    reference = lambda x, kernel: depthwise(x, kernel, 2, "same")
    cases.add("depthwiseConv2d", args, inputs, reference, gradients=False, label="alone", terms=9)
    inputs = {"x": (2, 3, 5, 4, 2), "kernel": (2, 3, 2, 2, 4)}
    reference = lambda x, kernel: conv(x, kernel, 2, "same")
    cases.add("conv3d", args, inputs, reference, gradients=False, label="alone", terms=24)
    inputs = {"x": (2, 7, 6, 3), "kernel": (3, 3, 3, 4)}
    reference = lambda x, kernel: conv(x, kernel, 1, "same", 2)
    args = ["@x", "@kernel", 1, "same", "NHWC", 2]
    cases.add("conv2d", args, inputs, reference, gradients=False, label="dilated", terms=27)


def core():
    cases = Cases()
    for part in (elementwise, sums, movement, windows):
        part(cases)
    return cases.fixture


GROUPS = {"core": core}
