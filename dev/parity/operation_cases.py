"""One case per operation and shape.

Needs: torch, numpy.
"""

import math

import numpy as np

import layers
from fixture import Fixture, generator, to_double
from references import REFERENCES


class Cases:
    """Adds cases to a fixture, with random inputs that depend on the case's name."""

    def __init__(self):
        self.fixture = Fixture()

    def add(self, op, label, inputs, *, gradients=True, attributes=None, draw=None, terms=None, **more):
        """inputs: shapes of float32 tensors, or whole arrays. draw: (random, shape) -> numbers, default N(0, 1).
        terms: for the outputs; `y` and `d<input>` if gradients are taken."""
        name = f"{op} {label}"
        random = generator(name)
        draw = draw or (lambda random, shape: random.standard_normal(shape))
        arrays = {
            key: value if isinstance(value, np.ndarray) else np.asarray(draw(random, value), np.float32)
            for key, value in inputs.items()
        }
        attributes = attributes or {}
        function = lambda tensors: REFERENCES[op](tensors, **attributes)
        if gradients:
            shape = tuple(function(to_double(arrays)).shape)
            arrays["cotangent"] = random.standard_normal(shape).astype(np.float32)
        self.fixture.evaluate(name, op, arrays, function, attributes=attributes, terms=terms, **more)


def text(shape):
    return "x".join(map(str, shape)) or "scalar"


def uniform(low, high):
    return lambda random, shape: random.uniform(low, high, shape)


def elementwise():
    cases = Cases()
    pairs = [((), (5,)), ((7,), (7,)), ((2, 3, 5, 6), (6,)), ((2, 3, 5, 6), (2, 1, 1, 6)), ((4, 1, 3), (1, 5, 1))]
    for a, b in pairs:
        result = np.broadcast_shapes(a, b)
        terms = {"da": math.prod(result) // math.prod(a), "db": math.prod(result) // math.prod(b)}
        for op in ("add", "sub", "mul"):
            cases.add(op, f"{text(a)} {text(b)}", {"a": a, "b": b}, terms=terms)
        away = lambda random, shape: random.choice([-1, 1], shape) * random.uniform(0.5, 2, shape)
        cases.add("div", f"{text(a)} {text(b)}", {"a": a, "b": b}, draw=away, terms=terms)
    cases.add("maximum", "2x3x4 2x3x4", {"a": (2, 3, 4), "b": (2, 3, 4)})
    at = generator("where at").integers(0, 2, (2, 3, 4)).astype(np.int32)
    cases.add("where", "2x3x4", {"at": at, "a": (2, 3, 4), "b": (2, 3, 4)})
    cases.add("fill", "2x3x4", {"x": (2, 3, 4)}, attributes={"value": 0.25})
    counts = generator("cast n").integers(-1000, 1000, (2, 5)).astype(np.int32)
    cases.add("cast", "2x5 int32 to float32", {"n": counts, "x": (2, 5)})

    shapes = [(1,), (2, 3, 5, 6)]
    for shape in shapes:
        for op in ("neg", "relu", "square", "tanh"):
            cases.add(op, text(shape), {"x": shape})
        cases.add("clip", text(shape), {"x": shape}, attributes={"low": -1, "high": 1}, draw=uniform(-2, 2))
        cases.add("sqrt", text(shape), {"x": shape}, draw=uniform(0.01, 10))
        cases.add("rsqrt", text(shape), {"x": shape}, draw=uniform(0.01, 10))
        cases.add("log", text(shape), {"x": shape}, draw=uniform(0.01, 10))
        cases.add("exp", text(shape), {"x": shape}, draw=uniform(-10, 3))
        cases.add("sin", text(shape), {"x": shape}, draw=uniform(-10, 10))
        cases.add("cos", text(shape), {"x": shape}, draw=uniform(-10, 10))
        cases.add("sigmoid", text(shape), {"x": shape})
        cases.add("silu", text(shape), {"x": shape})
    cases.add("sigmoid", "wide", {"x": (2, 3, 5, 6)}, draw=uniform(-20, 20))
    # The code's derivative y + s (1 - y) cancels where y is large.
    cases.add("silu", "wide", {"x": (3, 4, 4, 48)}, draw=uniform(-20, 20), amplification={"dx": 20})
    return cases.fixture


def movement():
    cases = Cases()
    cases.add("concat", "axis 3", {"a": (2, 3, 5, 6), "b": (2, 3, 5, 1), "c": (2, 3, 5, 20)}, attributes={"axis": 3})
    cases.add("concat", "axis 1", {"a": (3, 4), "b": (3, 6), "c": (3, 1)}, attributes={"axis": 1})
    cases.add("concat", "axis 0", {"a": (5,), "b": (1,), "c": (48,)}, attributes={"axis": 0})
    cases.add("split", "axis 2", {"x": (2, 7, 18)}, attributes={"axis": 2, "sizes": [6, 6, 6]})
    cases.add("split", "axis 0", {"x": (100,)}, attributes={"axis": 0, "sizes": [27, 1, 60, 12]})
    cases.add("slice", "2x5x7x6", {"x": (2, 5, 7, 6)}, attributes={"begin": [1, 0, 2, 3], "size": [1, 5, 4, 3]})
    cases.add("slice", "20", {"x": (20,)}, attributes={"begin": [3], "size": [1]})
    paddings = [[0, 0], [0, 1], [0, 1], [0, 0]]
    cases.add("pad", "2x4x4x3", {"x": (2, 4, 4, 3)}, attributes={"paddings": paddings, "value": 0})
    cases.add("pad", "3x2", {"x": (3, 2)}, attributes={"paddings": [[1, 2], [3, 0]], "value": 0.5})
    for shape, perm in [((3, 5), [1, 0]), ((2, 5, 7, 3), [0, 3, 1, 2]), ((2, 3, 5, 7), [0, 2, 3, 1])]:
        cases.add("transpose", f"{text(shape)} to {text(perm)}", {"x": shape}, attributes={"perm": perm})
    cases.add("tile", "2x3x1", {"x": (2, 3, 1)}, attributes={"reps": [1, 1, 6]}, terms={"dx": 6})
    rows = np.array([0, 4, 4, 2, 4, 1], np.int32)
    cases.add("gather", "rows of 5x6", {"x": (5, 6), "at": rows}, attributes={"axis": 0}, terms={"dx": 3})
    cases.add("gather", "entries of 1000", {"x": (1000,), "at": rows * 200}, attributes={"axis": 0}, terms={"dx": 3})
    for shape in [(1, 1, 1, 1), (2, 3, 3, 3), (3, 5, 7, 6), (2, 4, 4, 20)]:
        cases.add("upsample", text(shape), {"x": shape}, terms={"dx": 4})
    return cases.fixture


def reductions():
    cases = Cases()
    over = [((7,), [0]), ((2, 5, 7, 6), [1, 2]), ((2, 5, 7, 6), [0, 1, 2]), ((3, 4, 5), [2]), ((1, 1, 1, 3), [1, 2])]
    for shape, axis in over:
        for op, keep in (("sum", False), ("sum", True), ("mean", False)):
            attributes = {"axis": axis, "keepDims": keep}
            label = f"{text(shape)} over {text(axis)}{' kept' if keep else ''}"
            cases.add(op, label, {"x": shape}, attributes=attributes, terms={"y": math.prod(shape[i] for i in axis)})
    cases.add("sum", "5000", {"x": (5000,)}, attributes={"axis": [0], "keepDims": False}, terms={"y": 5000})
    for shape in [(3, 1), (2, 7), (2, 5, 64)]:
        terms = {"y": shape[-1], "dx": shape[-1]}
        cases.add("softmax", text(shape), {"x": shape}, terms=terms)
        cases.add("softmax", f"{text(shape)} wide", {"x": shape}, draw=uniform(-40, 40), terms=terms)
    for a, b, options in [
        ((1, 1), (1, 1), {}),
        ((3, 20), (20, 5), {}),
        ((48, 12), (12, 48), {}),
        ((2, 7, 6), (2, 6, 3), {}),
        ((2, 9, 6), (2, 9, 6), {"transposeB": True}),
        ((3, 6, 9), (3, 6, 4), {"transposeA": True}),
        ((1, 25, 12), (1, 25, 12), {"transposeB": True}),
    ]:
        inner, rows = (a[-2], a[-1]) if options.get("transposeA") else (a[-1], a[-2])
        columns = b[-2] if options.get("transposeB") else b[-1]
        label = f"{text(a)} {text(b)}{''.join(f' {key}' for key in options)}"
        cases.add("matMul", label, {"a": a, "b": b}, attributes=options, terms={"y": inner, "da": columns, "db": rows})
    cases.add("matMul", "4x5 2x5x6", {"a": (4, 5), "b": (2, 5, 6)}, gradients=False, terms={"y": 5})
    for shape in [(1, 3, 3, 1), (2, 7, 9, 3), (2, 8, 6, 20)]:
        for window in ({"stride": 1, "padding": "same"}, {"stride": 2, "padding": "valid"}):
            label = f"{text(shape)} {window['padding']}"
            for op, terms in (("averagePool", {"y": 9}), ("maxPool", None)):
                cases.add(op, label, {"x": shape}, gradients=False, attributes=window, terms=terms)
    for shape in [(1, 2, 2, 1), (2, 4, 6, 3), (3, 8, 8, 20)]:
        cases.add("avgPool", text(shape), {"x": shape}, terms={"y": 4})
    return cases.fixture


def convolutions():
    cases = Cases()
    one = [(1, 1, 1, 1, 1), (2, 1, 1, 3, 6), (2, 3, 3, 1, 3), (2, 5, 7, 3, 6), (1, 8, 8, 20, 6), (3, 6, 6, 6, 1)]
    one += [(2, 4, 4, 48, 20), (1, 16, 16, 12, 12), (3, 2, 2, 6, 48)]
    # Wide enough for engines that have a separate method for wide layers.
    one += [(4, 7, 5, 32, 32), (16, 3, 3, 32, 33)]
    two = [(1, 1, 1, 3, 2), (2, 3, 3, 3, 6), (2, 5, 7, 6, 3), (1, 8, 8, 20, 20), (3, 6, 4, 1, 3), (1, 12, 12, 3, 48)]
    two += [(1, 2, 2, 48, 6), (2, 8, 8, 32, 32)]
    shifted = [(2, 5, 7, 3, 6), (3, 4, 4, 12, 20)]
    for stride, shift, sizes in ((1, False, one), (2, False, two), (1, True, shifted)):
        for batch, height, width, channels, out in sizes:
            pixels = batch * math.ceil(height / stride) * math.ceil(width / stride)
            cases.add(
                "conv",
                f"{batch}x{height}x{width} {channels} to {out} stride {stride}{' shifted' if shift else ''}",
                {"x": (batch, height, width, channels), "kernel": (3, 3, channels, out), "bias": (out,)}
                | ({"shift": (batch, 1, 1, out)} if shift else {}),
                attributes={"stride": stride},
                terms={"y": 9 * channels + 1, "dx": 9 * out, "dkernel": pixels, "dbias": pixels, "dshift": pixels},
            )
    for batch, height, width, channels, out in [(2, 5, 7, 3, 6), (1, 1, 1, 1, 1), (1, 4, 4, 48, 20)]:
        cases.add(
            "conv2d",
            f"1x1 {batch}x{height}x{width} {channels} to {out}",
            {"x": (batch, height, width, channels), "kernel": (1, 1, channels, out)},
            attributes={"stride": 1},
            terms={"y": channels, "dx": out, "dkernel": batch * height * width},
        )
    for height, width in [(1, 7), (7, 1), (1, 3), (3, 1), (5, 5)]:
        inputs = {"x": (2, 9, 8, 6), "kernel": (height, width, 6, 12)}
        terms = {"y": height * width * 6, "dx": height * width * 12, "dkernel": 2 * 9 * 8}
        cases.add("conv2d", f"{height}x{width}", inputs, attributes={"stride": 1}, terms=terms)
    for stride in (1, 2):
        inputs, attributes = {"x": (2, 9, 8, 6), "kernel": (3, 3, 6, 12)}, {"stride": stride}
        terms = {"y": 9 * 6, "dx": 9 * 12, "dkernel": 2 * 7 * 6}
        cases.add("convValid", f"stride {stride}", inputs, attributes=attributes, terms=terms)
    for shape, out in [((1, 1), 1), ((3, 20), 6), ((2, 9, 6), 18), ((2, 5, 7, 3), 48), ((1, 8, 8, 48), 20)]:
        rows = math.prod(shape[:-1])
        inputs = {"x": shape, "kernel": (shape[-1], out), "bias": (out,)}
        terms = {"y": shape[-1] + 1, "dx": out, "dkernel": rows, "dbias": rows}
        cases.add("dense", f"{text(shape)} to {out}", inputs, terms=terms)
    return cases.fixture


def norm_amplification(x):
    """Returns E[x^2] / variance, the accuracy that the code loses because it computes the variance as E[x^2] - E[x]^2
    (one pass over the images)."""
    batch, height, width, channels = x.shape
    grouped = x.astype(np.float64).reshape(batch, height * width, layers.groups_for(channels), -1)
    mean_square, variance = (grouped**2).mean(axis=(1, 3)), grouped.var(axis=(1, 3))
    return float((mean_square / (variance + 1e-6)).max())


def blocks():
    cases = Cases()
    shapes = [(2, 2, 3, 1), (1, 1, 1, 4), (2, 3, 3, 6), (2, 5, 7, 20), (1, 8, 8, 48), (3, 4, 4, 12), (2, 2, 2, 128)]
    norms = [(shape, 0, 1) for shape in [*shapes, (1, 16, 16, 20)]]
    # A large mean, which the difference of moments has to cancel; a variance that is as small as epsilon.
    norms += [((2, 8, 8, 12), 3, 1), ((2, 4, 4, 12), 0, 1e-3)]
    for shape, offset, spread in norms:
        batch, height, width, channels = shape
        label = f"{text(shape)} mean {offset} deviation {spread:g}"
        x = (spread * generator(f"groupNorm x {label}").standard_normal(shape) + offset).astype(np.float32)
        count = height * width * channels // layers.groups_for(channels)
        terms = {"y": count, "dx": count, "dscale": max(count, batch * height * width), "dbias": batch * height * width}
        inputs = {"x": x, "scale": (channels,), "bias": (channels,)}
        cases.add("groupNorm", label, inputs, terms=terms, amplification=dict.fromkeys(terms, norm_amplification(x)))

    for shape in [(1, 1, 1, 4), (2, 3, 3, 6), (2, 4, 4, 20), (1, 5, 7, 12), (3, 2, 2, 48)]:
        batch, height, width, channels = shape
        x = generator(f"attention x {text(shape)}").standard_normal(shape).astype(np.float32)
        pixels, group = height * width, channels // layers.groups_for(channels)
        longest = max(pixels * group, 3 * channels, batch * pixels)
        inputs = {"x": x, "norm.scale": (channels,), "norm.bias": (channels,), "qkv.kernel": (channels, 3 * channels)}
        inputs |= {"qkv.bias": (3 * channels,), "out.kernel": (channels, channels), "out.bias": (channels,)}
        # Variances stay at one through the products, as in a network.
        draw = lambda random, shape: random.standard_normal(shape) / np.sqrt(channels if len(shape) == 2 else 1)
        terms = {key: longest for key in ["y", *(f"d{name}" for name in inputs)]}
        amplification = dict.fromkeys(terms, norm_amplification(x))
        cases.add("attention", text(shape), inputs, draw=draw, terms=terms, amplification=amplification)

    for shape, site, rate, key in [
        ([1, 1], 0, 0.0, [0, 0]),
        ([3, 5, 7, 6], 0, 0.1, [1, 2]),
        ([2, 8, 8, 12], 65535, 0.5, [-1, 2**31 - 1]),
        ([40, 100], 7, 0.999, [-(2**31), 123456789]),
    ]:
        inputs = {"key": np.array(key, np.int32)}
        attributes = {"site": site, "rate": rate}
        label = f"{text(shape)} site {site} rate {rate}"
        cases.add("keepMask", label, inputs, gradients=False, attributes={"shape": shape, **attributes})
        cases.add("dropout", label, {"x": tuple(shape), **inputs}, attributes=attributes)

    for width, times in [(4, [0]), (12, [0, 1, 500, 999]), (48, [3, 999])]:
        t = np.array(times, np.int32)
        # The angle of t and its frequency are both rounded, so the result changes by 2 t roundings.
        cases.add(
            "timeEmbedding",
            f"{width} at {' '.join(map(str, times))}",
            {"t": t},
            gradients=False,
            attributes={"width": width},
            scale={"y": float(max(1, 2 * t.max()))},
        )
    return cases.fixture


def diffusion():
    cases = Cases()
    for shape in [(1, 1, 1, 1), (3, 5, 7, 3)]:
        per_image = shape[:1]
        pixels = math.prod(shape[1:])
        cases.add(
            "qSample",
            text(shape),
            {"x0": shape, "noise": shape, "sqrtAlphasCumprod": per_image, "sqrtOneMinusAlphasCumprod": per_image},
            terms={"dsqrtAlphasCumprod": pixels, "dsqrtOneMinusAlphasCumprod": pixels},
        )
        cases.add("loss", text(shape), {"eps": shape, "predicted": shape}, terms={"y": pixels})

    scalar = lambda value: np.array(value, np.float32)
    count = 1000
    updates = [("first step", 1, 0.1, 3e38), ("clipped", 20, 1.0, 1.0), ("no gradient", 3, 0.0, 1.0)]
    # Gradients as small as epsilon, which then decides the step.
    updates += [("tiny gradient", 1, 1e-8, 1.0)]
    for label, step, size, clip in updates:
        random = generator(f"adam {label}")
        moments = 0.0 if step == 1 else 1.0
        inputs = {
            "params": random.standard_normal(count).astype(np.float32),
            "grads": (size * random.standard_normal(count)).astype(np.float32),
            "m": (0.1 * moments * random.standard_normal(count)).astype(np.float32),
            "v": (0.01 * moments * random.uniform(0.1, 1, count)).astype(np.float32),
            "learningRate": scalar(1e-2),
            "biasCorrection1": scalar(1 - 0.9**step),
            "biasCorrection2": scalar(1 - 0.999**step),
            "clipNorm": scalar(clip),
        }
        terms = {key: count for key in (["params", "m", "v", "gradNorm"] if label == "clipped" else ["gradNorm"])}
        cases.add("adam", label, inputs, gradients=False, terms=terms)
    for decay in (0.0, 0.9999):
        inputs = {"ema": (count,), "params": (count,), "decay": scalar(decay)}
        cases.add("ema", f"decay {decay}", inputs, gradients=False)
    return cases.fixture


def autoencoder():
    cases = Cases()
    for shape, codes in [((1, 1, 1, 1), 2), ((2, 3, 4, 3), 10), ((3, 4, 2, 5), 64)]:
        latents, positions = math.prod(shape[1:]), math.prod(shape[:3])
        terms = {"y": latents, "dz": latents, "dcodebook": latents * positions}
        cases.add("quantize", f"{text(shape)} {codes} codes", {"z": shape, "codebook": (codes, shape[3])}, terms=terms)
    images, latents = (2, 4, 6, 3), (2, 2, 3, 4)
    size = math.prod(images[1:])
    pair = {"x": images, "reconstruction": images, "mean": latents}
    kl, vq = {**pair, "logVariance": latents}, {**pair, "codebook": (7, 4)}
    sums = {key: size for key in ("y", "dx", "dreconstruction", "dmean", "dlogVariance", "dcodebook")}
    weights = {"codebook": 0.7, "commitment": 0.25}
    for label, inputs, options in [
        ("kl l1 sum", kl, {"reconstruction": "l1", "over": "sum", "kl": 0.3}),
        ("kl l2 mean", kl, {"reconstruction": "l2", "over": "mean", "kl": 0.3}),
        ("kl l1 sum perceptual", kl, {"reconstruction": "l1", "over": "sum", "kl": 0.3, "perceptual": 0.6}),
        ("vq l1 mean taming", vq, {"reconstruction": "l1", "over": "mean", "placement": "taming", **weights}),
        ("vq l2 mean vq-vae", vq, {"reconstruction": "l2", "over": "mean", "placement": "vq-vae", **weights}),
        ("vq l1 sum vq-vae", vq, {"reconstruction": "l1", "over": "sum", "placement": "vq-vae", **weights}),
        (
            "vq l1 mean perceptual",
            vq,
            {"reconstruction": "l1", "over": "mean", "placement": "taming", "perceptual": 0.6, **weights},
        ),
    ]:
        terms = {key: sums[key] for key in ["y", *(f"d{name}" for name in inputs)]}
        cases.add("autoencoderLoss", label, inputs, attributes={"options": options}, terms=terms)
    return cases.fixture


GROUPS = {
    "elementwise": elementwise,
    "movement": movement,
    "reductions": reductions,
    "convolutions": convolutions,
    "blocks": blocks,
    "diffusion": diffusion,
    "autoencoder": autoencoder,
}
