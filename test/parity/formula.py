"""Weights and inputs given by a formula, so that a test needs no weight file.

Tensor names are sorted ascending; k is a tensor's position, i an element's row-major index, and
s = sin(0.7 i + 0.3 k) in float64. `time_proj.weight` is 4 s, every other 1-D `*.weight` 1 + 0.1 s, every 1-D
`*.bias` 0.1 s, and all others s / sqrt(elements per output row). Inputs are cos(0.01 i). All cast to float32.
"""

import math

import numpy as np
import torch

RULE = (
    "sort tensor names ascending; k = position; element i (row-major): s = sin(0.7*i + 0.3*k) in float64; "
    "time_proj.weight -> 4*s; other 1-D *.weight -> 1 + 0.1*s; 1-D *.bias -> 0.1*s; "
    "others -> s/sqrt(numel of one output row); cast float32"
)


def formula_state_dict(state_dict):
    """The same names and shapes as `state_dict`, filled by the formula."""
    filled = {}
    for k, name in enumerate(sorted(state_dict)):
        shape = tuple(state_dict[name].shape)
        count = math.prod(shape)
        s = np.sin(0.7 * np.arange(count, dtype=np.float64) + 0.3 * k)
        if name == "time_proj.weight":
            values = 4 * s
        elif len(shape) == 1:
            values = 0.1 * s + (1.0 if name.endswith(".weight") else 0.0)
        else:
            values = s / math.sqrt(count / max(shape[0], 1))
        filled[name] = torch.from_numpy(values.astype(np.float32).reshape(shape))
    return filled


def formula_input(shape):
    """cos(0.01 i), float32."""
    values = np.cos(0.01 * np.arange(math.prod(shape), dtype=np.float64))
    return torch.from_numpy(values.astype(np.float32).reshape(shape))
