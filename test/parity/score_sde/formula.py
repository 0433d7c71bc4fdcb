"""Weights and inputs by formula, as the outputs of the original networks were computed with.

Names sorted ascending, k a name's position, i an element's row-major index; in float64
a = 43758.5453 sin(12.9898 (i + 1) + 78.233 (k + 1)) and s = 2 (a - floor(a)) - 1. Fourier frequencies `*.W` are 8 s,
scales of norms (1-D `*.weight`, also `*.alpha` and `*.gamma`) 1 + 0.3 s, other vectors 0.3 s, matrices `*.W` [in, out]
sqrt(3) s / sqrt(in), and all others sqrt(3) s / sqrt(elements per output row). Inputs are 0.5 + 0.5 cos(0.01 i).
"""

import math

import numpy as np
import torch

RULE = (
    "sort tensor names ascending; k = position; element i (row-major): a = 43758.5453*sin(12.9898*(i+1) + 78.233*(k+1)) "
    "in float64, s = 2*(a-floor(a))-1; 1-D *.W -> 8*s; 1-D *.weight, *.alpha, *.gamma -> 1+0.3*s; other 1-D -> 0.3*s; "
    "2-D *.W -> sqrt(3)*s/sqrt(rows); others -> sqrt(3)*s/sqrt(numel of one output row); cast float32"
)
INPUT = "0.5 + 0.5*cos(0.01*i) over [batch, channels, height, width], float32"


def formula_weights(shapes):
    """Tensors of the given shapes, float32 numbers held in float64."""
    filled = {}
    for k, name in enumerate(sorted(shapes)):
        shape = shapes[name]
        a = 43758.5453 * np.sin(
            12.9898 * (np.arange(math.prod(shape), dtype=np.float64) + 1) + 78.233 * (k + 1)
        )
        s = 2 * (a - np.floor(a)) - 1
        leaf = name.rsplit(".", 1)[-1]
        if len(shape) == 1:
            values = 8 * s if leaf == "W" else (leaf in ("weight", "alpha", "gamma")) + 0.3 * s
        else:
            values = math.sqrt(3) * s / math.sqrt(shape[0] if leaf == "W" else math.prod(shape[1:]))
        filled[name] = torch.from_numpy(values.astype(np.float32).astype(np.float64).reshape(shape))
    return filled


def formula_input(shape):
    """0.5 + 0.5 cos(0.01 i), float32 numbers held in float64."""
    values = 0.5 + 0.5 * np.cos(0.01 * np.arange(math.prod(shape), dtype=np.float64))
    return torch.from_numpy(values.astype(np.float32).astype(np.float64).reshape(shape))
