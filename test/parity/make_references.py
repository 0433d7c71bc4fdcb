"""Computes what the parity suite compares with: network outputs and whole pictures, by Diffusers.

    python test/parity/make_references.py MODELS REFERENCES [--shipped FOLDER] [--full] [PREFIX …]

MODELS is what make_models.py wrote. REFERENCES/<name>/reference.json describes the arrays beside it (`.npy`):

forwards   { sample, timestep, classLabels?, output, seconds }
pictures   { pipeline, arguments, seed | seeds, raw, images, networkEvaluations, seconds, level }

`raw` is the last float32 array before it is clamped (NCHW), `images` the uint8 pictures (NHWC). With --full also the
pictures of level "full", which take minutes. What is there already and still true is kept.
REFERENCES/references.json lists the names.
"""

import argparse
import gc
import hashlib
import json
import time
import zlib
from pathlib import Path

import diffusers
import numpy as np
import torch
from diffusers import DDIMPipeline, DDIMScheduler, DiffusionPipeline, UNet2DModel

# The package exports it only where Transformers is installed too.
from diffusers.schedulers.deprecated.scheduling_sde_vp import ScoreSdeVpScheduler

FORMAT = 1
SHIPPED = "shipped"

# Whole pictures by model: the pipeline's arguments, and "seed" (one generator) or "seeds" (one per picture).
PICTURES = {
    SHIPPED: [
        {"num_inference_steps": 50, "batch_size": 4, "seed": 0},
        {"num_inference_steps": 50, "batch_size": 2, "seeds": [11, 12]},
    ],
    "tiny/ncsnpp": [
        {"num_inference_steps": 50, "batch_size": 1, "seed": 0},
        {"num_inference_steps": 50, "batch_size": 2, "seed": 7},
        {"num_inference_steps": 50, "batch_size": 2, "seeds": [1, 2]},
        {"num_inference_steps": 2, "batch_size": 1, "seed": 3},
    ],
    "tiny/ncsnpp-1348": [{"num_inference_steps": 50, "batch_size": 1, "seed": 0}],
    "tiny/ncsnpp-two-corrections": [{"num_inference_steps": 10, "batch_size": 1, "seed": 0}],
    "tiny/ncsnpp-128ch": [{"num_inference_steps": 50, "batch_size": 1, "seed": 0}],
    "tiny/ncsnpp-flat": [{"num_inference_steps": 10, "batch_size": 1, "seed": 0}],
    "tiny/ncsnpp-flat-old-scheduler": [{"num_inference_steps": 10, "batch_size": 1, "seed": 0}],
    "tiny/ddpm": [
        {"num_inference_steps": 50, "batch_size": 1, "seed": 0},
        {"num_inference_steps": 50, "batch_size": 2, "seeds": [1, 2]},
        {"pipeline": "DDIMPipeline", "num_inference_steps": 50, "batch_size": 2, "seed": 0},
        {"pipeline": "DDIMPipeline", "num_inference_steps": 50, "batch_size": 1, "seed": 0, "eta": 1.0},
        {"pipeline": "ScoreSdeVpPipeline", "num_inference_steps": 50, "batch_size": 2, "seed": 0},
    ],
    "tiny/ddpm-large-variance": [{"num_inference_steps": 50, "batch_size": 1, "seed": 0}],
    "tiny/ddim": [
        {"num_inference_steps": 50, "batch_size": 1, "seed": 0},
        {"num_inference_steps": 20, "batch_size": 1, "seed": 0, "eta": 0.3, "use_clipped_model_output": True},
    ],
    "full/ddpm-cifar10-32": [
        {"num_inference_steps": 50, "batch_size": 1, "seed": 0},
        {"pipeline": "DDIMPipeline", "num_inference_steps": 50, "batch_size": 1, "seed": 0},
    ],
    "full/ddpm-256-flat": [
        {"pipeline": "DDIMPipeline", "num_inference_steps": 3, "batch_size": 1, "seed": 0}
    ],
    "full/ncsnpp-256": [{"num_inference_steps": 50, "batch_size": 1, "seed": 0}],
    "full/ncsnpp-1024": [
        {"num_inference_steps": 2, "batch_size": 1, "seed": 0},
        {"num_inference_steps": 50, "batch_size": 1, "seed": 0, "level": "full"},
    ],
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("models", type=Path)
    parser.add_argument("references", type=Path)
    parser.add_argument("--shipped", type=Path)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("prefixes", nargs="*")
    options = parser.parse_intermixed_args()
    diffusers.utils.logging.set_verbosity(diffusers.utils.logging.CRITICAL)
    diffusers.utils.logging.disable_progress_bar()

    models = json.loads((options.models / "models.json").read_text())
    models = [{**model, "path": str(options.models / model["name"])} for model in models]
    if options.shipped:
        models.insert(
            0, {"name": SHIPPED, "kind": "pipeline", "unetFolder": "unet", "path": str(options.shipped)}
        )

    for model in models:
        wanted = not options.prefixes or any(model["name"].startswith(prefix) for prefix in options.prefixes)
        if wanted and Path(model["path"]).exists():
            make_reference(model, options.references / model["name"], options.full)
            gc.collect()
    listed = [m["name"] for m in models if (options.references / m["name"] / "reference.json").exists()]
    (options.references / "references.json").write_text(json.dumps(listed, indent=1) + "\n")


def make_reference(model, folder, full):
    """Computes what is absent of one model's reference, saving after each array that takes long."""
    folder.mkdir(parents=True, exist_ok=True)
    fingerprint = fingerprint_of(Path(model["path"]))
    reference = Reference(folder, model, fingerprint)
    config = json.loads((Path(model["path"]) / model["unetFolder"] / "config.json").read_text())
    forwards = forward_inputs(model, config)
    pictures = [p for p in PICTURES.get(model["name"], []) if full or p.get("level") != "full"]
    keys = [key_of(fingerprint, "forward", index, len(forwards)) for index in range(len(forwards))]
    reference.keep_only(keys + [key_of(fingerprint, "picture", p) for p in PICTURES.get(model["name"], [])])
    missing = [f for f, key in zip(forwards, keys, strict=True) if key not in reference.entries]
    missing += [p for p in pictures if key_of(fingerprint, "picture", p) not in reference.entries]
    if not missing:
        return

    started = time.time()
    unet, pipe = load(model)
    for inputs, key in zip(forwards, keys, strict=True):
        if key not in reference.entries:
            reference.add_forward(key, unet, inputs)
    for picture in pictures:
        key = key_of(fingerprint, "picture", picture)
        if key not in reference.entries:
            reference.add_picture(key, pipe, picture)
    print(f"{model['name']}: {time.time() - started:.1f} s", flush=True)


class Reference:
    """reference.json and its arrays."""

    def __init__(self, folder, model, fingerprint):
        self.folder, self.file = folder, folder / "reference.json"
        self.head = {
            "name": model["name"],
            "path": model["path"],
            "kind": model["kind"],
            "unetFolder": model["unetFolder"],
            **{name: model[name] for name in ("variant", "useSafetensors") if name in model},
            "fingerprint": fingerprint,
            "madeWith": made_with(),
        }
        old = json.loads(self.file.read_text()) if self.file.exists() else {}
        fresh = old.get("fingerprint") == fingerprint and old.get("madeWith") == made_with()
        kept = old.get("forwards", []) + old.get("pictures", []) if fresh else []
        self.entries = {entry["key"]: entry for entry in kept}

    def keep_only(self, keys):
        """Drops what is no longer asked for."""
        self.entries = {key: entry for key, entry in self.entries.items() if key in keys}

    def add_forward(self, key, unet, inputs):
        started = time.time()
        with torch.no_grad():
            output = unet(**inputs).sample
        seconds = time.time() - started
        assert torch.isfinite(output).all()
        arrays = {"sample": inputs["sample"], "timestep": inputs["timestep"], "output": output}
        if "class_labels" in inputs:
            arrays["classLabels"] = inputs["class_labels"]
        files = {name: self.save(f"forward-{key}-{name}", value.numpy()) for name, value in arrays.items()}
        self.add({"key": key, **files, "seconds": round(seconds, 3)})

    def add_picture(self, key, pipe, picture):
        started = time.time()
        made = make_picture(pipe, picture)
        seconds = time.time() - started
        self.add(
            {
                "key": key,
                "level": picture.get("level", "quick"),
                "pipeline": made["pipeline"],
                **{name: picture[name] for name in ("seed", "seeds") if name in picture},
                "arguments": arguments_of(picture),
                "raw": self.save(f"picture-{key}-raw", made["raw"]),
                "images": self.save(f"picture-{key}-images", made["images"]),
                "insideUnitRange": round(float(np.mean((made["images"] > 0) & (made["images"] < 255))), 4),
                "meanAbsByStep": [float(f"{v:.6g}") for v in made["meanAbsByStep"]],
                "networkEvaluations": made["networkEvaluations"],
                "seconds": round(seconds, 3),
            }
        )

    def save(self, name, array):
        np.save(self.folder / f"{name}.npy", array, allow_pickle=False)
        return f"{name}.npy"

    def add(self, entry):
        self.entries[entry["key"]] = entry
        entries = self.entries.values()
        text = json.dumps(
            {
                **self.head,
                "forwards": [entry for entry in entries if "output" in entry],
                "pictures": [entry for entry in entries if "images" in entry],
            },
            indent=1,
        )
        self.file.write_text(text + "\n")


def load(model):
    """The network, and the pipeline where the folder holds one."""
    if model["kind"] == "unet":
        return UNet2DModel.from_pretrained(model["path"]).eval(), None
    pipe = DiffusionPipeline.from_pretrained(
        model["path"], variant=model.get("variant"), use_safetensors=model.get("useSafetensors")
    )
    assert pipe.unet.dtype == torch.float32 and not pipe.unet.training
    pipe.set_progress_bar_config(disable=True)
    return pipe.unet, pipe


def forward_inputs(model, config):
    """Inputs of the network: batches of one at several noise levels, then one batch of two."""
    channels, size = config["in_channels"], config["sample_size"]
    generator = torch.Generator().manual_seed(zlib.crc32(model["name"].encode()))

    def clean(batch, height, width):
        return torch.rand((batch, channels, height, width), generator=generator)

    def noise(batch, height, width):
        return torch.randn((batch, channels, height, width), generator=generator)

    if "case" in model:
        return option_inputs(model["case"], config, noise)
    if config["time_embedding_type"] == "fourier":
        levels = levels_of(model["name"], [[0.01], [1.5], [1348.0 if size == 1024 else 380.0], [0.1, 20.0]])
        return [
            {
                "sample": clean(len(sigmas), size, size)
                + torch.tensor(sigmas).reshape(-1, 1, 1, 1) * noise(len(sigmas), size, size),
                "timestep": torch.tensor(sigmas),
            }
            for sigmas in levels
        ]
    return [
        {"sample": noise(len(steps), size, size), "timestep": torch.tensor(steps)}
        for steps in levels_of(model["name"], [[0], [500], [999], [3, 900]])
    ]


def levels_of(name, levels):
    """One level for a form of storage; a full-size network's levels shared by its two folders, to save time."""
    if name.startswith("storage/"):
        return levels[1:2]
    if name.startswith("full/"):
        return levels[1:3] if name.endswith("-flat") else [levels[0], levels[3]]
    return levels


def option_inputs(case, config, noise):
    """The case's own inputs on random noise, then the same for a batch of two where it has one."""
    height, width = case.get("size") or np.broadcast_to(config["sample_size"], 2).tolist()
    fourier = config["time_embedding_type"] == "fourier"
    timestep = torch.tensor(case.get("timestep", [5.0] if fourier else [10]))
    labels = case.get("labels")
    inputs = []
    for batch in (1, 2) if case.get("batch", 1) == 1 else (2,):
        entry = {"sample": noise(batch, height, width), "timestep": timestep.expand(batch).clone()}
        if labels == "identity":
            time_embed_dim = config["time_embedding_dim"] or 4 * config["block_out_channels"][0]
            entry["class_labels"] = torch.linspace(-1, 1, batch * time_embed_dim).reshape(
                batch, time_embed_dim
            )
        elif labels is not None:
            entry["class_labels"] = torch.tensor(labels).expand(batch).clone()
        inputs.append(entry)
    return inputs


def make_picture(pipe, picture):
    """Runs the pipeline itself, and keeps the array that it clamps."""
    name = picture.get("pipeline", type(pipe).__name__)
    if "seeds" in picture:
        generator = [torch.Generator().manual_seed(seed) for seed in picture["seeds"]]
    else:
        generator = torch.Generator().manual_seed(picture["seed"])
    if name == "ScoreSdeVpPipeline":
        return sample_vp(pipe.unet, generator, picture)
    if name == "DDIMPipeline" and not isinstance(pipe, DDIMPipeline):
        pipe = DDIMPipeline(pipe.unet, DDIMScheduler.from_config(pipe.scheduler.config))
        pipe.set_progress_bar_config(disable=True)

    last, mean_abs, evaluations = None, [], 0
    method = "step_pred" if name == "ScoreSdeVePipeline" else "step"
    original_step = getattr(pipe.scheduler, method)

    def step(*args, **kwargs):
        nonlocal last
        result = original_step(*args, **kwargs)
        last = result.prev_sample_mean if method == "step_pred" else result.prev_sample
        mean_abs.append(result.prev_sample.abs().mean().item())
        return result

    def count(*_):
        nonlocal evaluations
        evaluations += 1

    setattr(pipe.scheduler, method, step)
    counter = pipe.unet.register_forward_hook(count)
    try:
        images = pipe(generator=generator, output_type="np", **arguments_of(picture)).images
    finally:
        delattr(pipe.scheduler, method)
        counter.remove()
    return {
        "pipeline": name,
        "raw": last.float().numpy(),
        "images": (images * 255).round().astype(np.uint8),
        "meanAbsByStep": mean_abs,
        "networkEvaluations": evaluations,
    }


def sample_vp(unet, generator, picture):
    """score_sde's Euler–Maruyama sampler of the VP SDE with Diffusers' scheduler, which has no pipeline: the network
    gets 999 t and predicts ε, the last mean is kept, and data lie in [-1, 1]."""
    scheduler = ScoreSdeVpScheduler()
    scheduler.set_timesteps(picture["num_inference_steps"])
    size, batch = unet.config.sample_size, picture["batch_size"]
    x = torch.randn((batch, unet.config.in_channels, size, size), generator=generator)
    mean, mean_abs = x, []
    with torch.no_grad():
        for t in scheduler.timesteps:
            t = t * torch.ones(batch)
            x, mean = scheduler.step_pred(unet(x, 999 * t).sample, x, t, generator=generator)
            mean_abs.append(x.abs().mean().item())
    images = (mean / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy()
    return {
        "pipeline": "ScoreSdeVpPipeline",
        "raw": mean.numpy(),
        "images": (images * 255).round().astype(np.uint8),
        "meanAbsByStep": mean_abs,
        "networkEvaluations": len(mean_abs),
    }


def arguments_of(picture):
    return {
        name: value for name, value in picture.items() if name not in ("seed", "seeds", "pipeline", "level")
    }


def fingerprint_of(folder):
    """Changes with the model's files: their names, sizes and first megabyte."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.suffix in (".json", ".bin", ".safetensors") and file.name != "training.json":
            with file.open("rb") as opened:
                digest.update(
                    f"{file.relative_to(folder)} {file.stat().st_size} ".encode() + opened.read(1 << 20)
                )
    return digest.hexdigest()


def key_of(*parts):
    return hashlib.sha256(json.dumps([FORMAT, *parts], sort_keys=True).encode()).hexdigest()[:16]


def made_with():
    return f"Diffusers {diffusers.__version__}, PyTorch {torch.__version__.split('+')[0]}"


if __name__ == "__main__":
    main()
