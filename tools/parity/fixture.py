"""Cases with their float64 answers, and the safetensors files that hold them.

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
    """Random numbers that depend on the name alone, so that a new case changes no other."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def to_double(arrays):
    """float32 arrays as float64 tensors; integers as they are."""
    return {
        name: torch.from_numpy(array.astype(np.float64) if array.dtype == np.float32 else array)
        for name, array in arrays.items()
    }


def perturbed(tensors, random, size=UNIT_ROUNDOFF):
    """Each number times 1 + size or 1 - size, at random: what rounding could have made of it."""
    return {
        name: tensor * (1 + size * torch.from_numpy(random.choice([-1.0, 1.0], tensor.shape)))
        if tensor.is_floating_point()
        else tensor
        for name, tensor in tensors.items()
    }


def with_gradients(function):
    """`y`, and `d<name>` of sum(y * cotangent) for each float input. Without a cotangent, the outputs alone."""

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
    """Per output, the largest of |value| and of the root mean square change when numbers change by `size`, in units of
    `size`: what a float32 error has to be measured against. `evaluate` computes the outputs with fresh changes.

    For a sum of products it is the root of the sum of their squares, times two. It stays large where the result is
    small because large terms cancel.
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
        """`facts` go into the case's JSON beside name and op."""
        assert all(case["name"] != name for case in self.cases), name
        self.cases.append({"name": name, "op": op, **facts})
        for role, tensors in (("input", inputs), ("output", outputs)):
            for key, value in tensors.items():
                self.tensors[f"{name}/{role}/{key}"] = np.asarray(value, order="C")

    def evaluate(self, name, op, inputs, function, *, attributes=None, terms=None, amplification=None, scale=None):
        """Add a case: float32 inputs, the answers of `function` in float64, and the figures that its tolerance needs.

        terms: for each output the length of the longest sum behind it, default 1.
        amplification: for each output how much more than the best algorithm the one in use may lose, default 1.
        scale: for each output what stands in place of its sensitivity.
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
        # Largest elements first, so that each tensor is aligned to its own.
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
