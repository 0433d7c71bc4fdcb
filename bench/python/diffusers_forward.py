"""Diffusers' side of the bench: a process that loads networks once and times one evaluation at a time.

    python bench/python/diffusers_forward.py

Reads one JSON object a line from standard input and answers each with one line:

    { "op": "load", "folder", "mode", "threads" }             → { "ok": true }
    { "op": "forward", "folder", "mode", "timestep", "count" } → { "ok": true, "seconds": [per evaluation] }
    { "op": "unload", "folder", "mode" }                      → { "ok": true }
    { "op": "quit" }

`folder` holds a UNet2DModel, which is evaluated on standard normal noise, batch 1. `mode` is "fp32" (what
from_pretrained gives), "fp32-channels-last" or "bf16-channels-last". An error comes back as { "ok": false, "error" }
and the process lives on.

An answer is sent a moment after the work, so that PyTorch's threads have stopped spinning when the other side starts
its own turn on the same cores.
"""

import json
import sys
import time

import diffusers
import torch
from diffusers import UNet2DModel

SETTLE = 0.03  # seconds

MODES = {
    "fp32": (torch.float32, torch.contiguous_format),
    "fp32-channels-last": (torch.float32, torch.channels_last),
    "bf16-channels-last": (torch.bfloat16, torch.channels_last),
}

models = {}


def load(folder, mode, threads):
    torch.set_num_threads(threads)
    dtype, memory_format = MODES[mode]
    models[folder, mode] = UNet2DModel.from_pretrained(folder).eval().to(dtype=dtype, memory_format=memory_format)
    return {}


def forward(folder, mode, timestep, count):
    model = models[folder, mode]
    dtype, memory_format = MODES[mode]
    size, channels = model.config.sample_size, model.config.in_channels
    sample = torch.randn(1, channels, size, size, generator=torch.Generator().manual_seed(0))
    sample = sample.to(dtype=dtype, memory_format=memory_format)
    # A network that takes σ gets float32 from Diffusers' pipeline, one that takes a step gets int64.
    fourier = model.config.time_embedding_type == "fourier"
    steps = torch.full((1,), timestep, dtype=torch.float32 if fourier else torch.int64)
    seconds = []
    with torch.no_grad():
        for _ in range(count):
            started = time.perf_counter()
            model(sample, steps, return_dict=False)
            seconds.append(time.perf_counter() - started)
    return {"seconds": seconds}


def unload(folder, mode):
    models.pop((folder, mode), None)
    return {}


OPS = {"load": load, "forward": forward, "unload": unload}


def main():
    diffusers.utils.logging.set_verbosity(diffusers.utils.logging.CRITICAL)
    diffusers.utils.logging.disable_progress_bar()
    for line in sys.stdin:
        try:
            request = json.loads(line)
            op = request.pop("op")
            if op == "quit":
                return
            answer = {"ok": True, **OPS[op](**request)}
        except Exception as error:  # the other side decides what to do about it
            answer = {"ok": False, "error": f"{type(error).__name__}: {error}"}
        time.sleep(SETTLE)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
