"""Cases with their float64 results, and the safetensors files that contain them.

Needs: torch, numpy.
"""

import json
import struct
import zlib

import numpy as np
import torch

UNIT_ROUNDOFF = 2.0**-24
"""Largest relative error of one rounding to float32."""

DRAWS = 8
"""Perturbed evaluations for each sensitivity."""

DTYPES = {np.dtype("float64"): "F64", np.dtype("float32"): "F32", np.dtype("int32"): "I32"}


def generator(name):
    """Returns a generator whose numbers depend only on the name, so that a new case changes no other."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def to_double(arrays):
    """Returns float32 arrays as float64 tensors, and integers unchanged."""
    return {
        name: torch.from_numpy(array.astype(np.float64) if array.dtype == np.float32 else array)
        for name, array in arrays.items()
    }


def perturbed(tensors, random, size=UNIT_ROUNDOFF):
    """Multiplies each number by 1 + size or 1 - size, at random, as rounding could have done."""
    return {
        name: tensor * (1 + size * torch.from_numpy(random.choice([-1.0, 1.0], tensor.shape)))
        if tensor.is_floating_point()
        else tensor
        for name, tensor in tensors.items()
    }


def with_gradients(function):
    """Returns a function that computes `y`, and `d<name>` of sum(y * cotangent) for each float input; without a
    cotangent only the outputs."""

    def evaluate(inputs):
        inputs = {name: tensor.clone() for name, tensor in inputs.items()}
        cotangent = inputs.pop("cotangent", None)
        if cotangent is None:
            outputs = function(inputs)
            return {"y": outputs} if isinstance(outputs, torch.Tensor) else outputs
        leaves = {name: tensor.requires_grad_() for name, tensor in inputs.items() if tensor.is_floating_point()}
        y = function(inputs)
        gradients = torch.autograd.grad(y, list(leaves.values()), cotangent)
        return {"y": y.detach(), **{f"d{name}": gradient for name, gradient in zip(leaves, gradients)}}

    return evaluate


def sensitivity(evaluate, exact, size=UNIT_ROUNDOFF):
    """Returns for each output the larger of |value| and of the root mean square change when numbers change by `size`,
    in units of `size`: the scale to measure a float32 error against. `evaluate` computes outputs with fresh changes.

    For a sum of products this is the root of the sum of their squares, times two. It stays large if the result is small
    because large terms cancel.
    """
    squares = {name: torch.zeros_like(value) for name, value in exact.items()}
    for _ in range(DRAWS):
        changed = evaluate()
        for name, value in exact.items():
            squares[name] += ((changed[name] - value) / size) ** 2 / DRAWS
    return {name: float(torch.maximum(squares[name].sqrt(), exact[name].abs()).max()) for name in exact}


class Fixture:
    """The cases of one file."""

    def __init__(self):
        self.tensors, self.cases = {}, []

    def add(self, name, op, inputs, outputs, **facts):
        """Adds a case. `facts` go into its JSON beside name and op."""
        assert all(case["name"] != name for case in self.cases), name
        self.cases.append({"name": name, "op": op, **facts})
        for role, tensors in (("input", inputs), ("output", outputs)):
            for key, value in tensors.items():
                self.tensors[f"{name}/{role}/{key}"] = np.asarray(value, order="C")

    def evaluate(self, name, op, inputs, function, *, attributes=None, terms=None, amplification=None, scale=None):
        """Adds a case: float32 inputs, the results of `function` in float64, and the figures that its tolerance needs.

        terms: for each output the length of the longest sum behind it, default 1.
        amplification: for each output the factor by which the algorithm in use may lose more accuracy than the best
            one, default 1.
        scale: for each output a value that replaces its sensitivity.
        """
        evaluate = with_gradients(function)
        double = to_double(inputs)
        exact = evaluate(double)
        draws = generator(f"{name} sensitivity")
        measured = sensitivity(lambda: evaluate(perturbed(double, draws)), exact)
        measured.update(scale or {})
        scales = {key: (amplification or {}).get(key, 1) * value for key, value in measured.items()}
        terms = {key: (terms or {}).get(key, 1) for key in exact}
        facts = {"attributes": attributes or {}, "terms": terms, "scale": scales}
        self.add(name, op, inputs, {key: value.numpy() for key, value in exact.items()}, **facts)

    def write(self, path):
        metadata = {"cases": json.dumps(self.cases), "madeBy": f"torch {torch.__version__}, float64"}
        header, offset = {"__metadata__": metadata}, 0
        # Tensors with the largest elements come first, so that each tensor is aligned to its element size.
        ordered = sorted(self.tensors.items(), key=lambda item: (-item[1].itemsize, item[0]))
        for name, array in ordered:
            end = offset + array.nbytes
            header[name] = {"dtype": DTYPES[array.dtype], "shape": list(array.shape), "data_offsets": [offset, end]}
            offset = end
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        with open(path, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            for _, array in ordered:
                file.write(array.tobytes())
