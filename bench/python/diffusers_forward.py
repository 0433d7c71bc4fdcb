"""Diffusers' side of the bench: a process that loads networks once and times one evaluation at a time.

    python bench/python/diffusers_forward.py

Reads one JSON object a line from standard input and answers each with one line:

    { "op": "load", "folder", "mode", "threads"? }  → { "ok": true, "parameters", "seconds" }
    { "op": "forward", "folder", "mode", "batch"?, "size"?, "timestep"?, "count"? }
                                                    → { "ok": true, "seconds": [per evaluation] }
    { "op": "sample", "folder", "steps", "batch"? } → { "ok": true, "seconds" }, a whole picture in mode fp32
    { "op": "unload", "folder", "mode" }            → { "ok": true }
    { "op": "info" }                                → { "ok": true, "torch", "diffusers", "threads", "peakBytes" }
    { "op": "quit" }

`folder` holds a UNet2DModel; for "sample" a whole pipeline. `mode` is "fp32" (what from_pretrained gives),
"fp32-channels-last" or "bf16-channels-last". An error comes back as { "ok": false, "error" } and the process lives on.

An answer is sent a moment after the work, so that PyTorch's threads have stopped spinning when the other side starts
its own turn on the same cores.
"""

import json
import resource
import sys
import time

import diffusers
import torch
from diffusers import DiffusionPipeline, UNet2DModel

SETTLE = 0.03  # seconds

MODES = {
    "fp32": (torch.float32, torch.contiguous_format),
    "fp32-channels-last": (torch.float32, torch.channels_last),
    "bf16-channels-last": (torch.bfloat16, torch.channels_last),
}

models = {}
pipelines = {}


def load(folder, mode, threads=None):
    if threads:
        torch.set_num_threads(threads)
    dtype, memory_format = MODES[mode]
    started = time.perf_counter()
    model = UNet2DModel.from_pretrained(folder).eval().to(dtype=dtype, memory_format=memory_format)
    seconds = time.perf_counter() - started
    models[folder, mode] = model
    return {"parameters": sum(parameter.numel() for parameter in model.parameters()), "seconds": seconds}


def forward(folder, mode, batch=1, size=None, timestep=1.0, count=1):
    model = models[folder, mode]
    dtype, memory_format = MODES[mode]
    height, width = size or square(model.config.sample_size)
    sample = torch.randn(
        batch, model.config.in_channels, height, width, generator=torch.Generator().manual_seed(0)
    )
    sample = sample.to(dtype=dtype, memory_format=memory_format)
    # A network that takes σ gets float32 from Diffusers' pipeline, one that takes a step gets int64.
    fourier = model.config.time_embedding_type == "fourier"
    steps = torch.full((batch,), timestep, dtype=torch.float32 if fourier else torch.int64)
    seconds = []
    with torch.no_grad():
        for _ in range(count):
            started = time.perf_counter()
            model(sample, steps, return_dict=False)
            seconds.append(time.perf_counter() - started)
    return {"seconds": seconds}


def sample(folder, steps, batch=1):
    if folder not in pipelines:
        pipelines[folder] = DiffusionPipeline.from_pretrained(folder)
        pipelines[folder].set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(0)
    started = time.perf_counter()
    pipelines[folder](batch_size=batch, num_inference_steps=steps, generator=generator, output_type="np")
    return {"seconds": time.perf_counter() - started}


def unload(folder, mode):
    models.pop((folder, mode), None)
    pipelines.pop(folder, None)
    return {}


def info():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
        "threads": torch.get_num_threads(),
        "peakBytes": peak if sys.platform == "darwin" else peak * 1024,
    }


def square(size):
    return (size, size) if isinstance(size, int) else size


OPS = {"load": load, "forward": forward, "sample": sample, "unload": unload, "info": info}


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
