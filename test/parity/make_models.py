"""Writes the models of the parity suite, with random weights, as Diffusers writes them and as the Hub holds them.

    python test/parity/make_models.py FOLDER [--list] [PREFIX …]

Each goes to FOLDER/<name>; with prefixes only the models whose names start so, with --list none. What is there
already is kept. All names go to model-names.json beside this program, for those who have no Python.
FOLDER/models.json lists all: `{ name, kind, unetFolder, variant?, useSafetensors?, case? }`, `kind` being "unet" (a UNet2DModel alone) or
"pipeline" (with a model_index.json; flat, or in subfolders).

full/…      ncsnpp-256, ncsnpp-1024, ddpm-cifar10-32 and ddpm-256: flat as google/* holds them, and in subfolders
tiny/…      small pipelines, saved by Diffusers
storage/…   one small NCSN++ in every form in which weights are stored
options/…   every case of option_cases.py, with random weights
"""

import argparse
import json
import math
import re
import shutil
import zlib
from pathlib import Path

import configs
import diffusers
import torch
from diffusers import (
    DDIMPipeline,
    DDIMScheduler,
    DDPMPipeline,
    DDPMScheduler,
    ScoreSdeVePipeline,
    ScoreSdeVeScheduler,
    UNet2DModel,
)
from option_cases import BLOCKS, LENIENT, OPTIONS
from safetensors.torch import save_file

NAMES = Path(__file__).with_name("model-names.json")

OLD_ATTENTION_NAMES = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}

# With random weights a picture that starts from σ = 1348 ends far outside of [0, 1]; from this σ it stays inside.
SMALL_SIGMA = {"sigma_max": 0.25, "snr": 0.15}

SIGMA_380 = {"sigma_max": 380, "snr": 0.075}
SIGMA_1348 = {"sigma_max": 1348, "snr": 0.15}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("prefixes", nargs="*")
    options = parser.parse_intermixed_args()
    root, prefixes = options.folder, options.prefixes
    diffusers.utils.logging.set_verbosity_error()
    models = full_models() + tiny_models() + storage_models() + option_models()
    for model in models:
        name, folder = model["name"], root / model["name"]
        named = not prefixes or any(name.startswith(prefix) for prefix in prefixes)
        if named and not options.list and not (folder / ".made").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            model["make"](folder)
            (folder / ".made").touch()
            print(f"made {name}", flush=True)
    root.mkdir(parents=True, exist_ok=True)
    public = [{key: value for key, value in model.items() if key != "make"} for model in models]
    (root / "models.json").write_text(json.dumps(public, indent=1) + "\n")
    NAMES.write_text(json.dumps([model["name"] for model in models], indent=2) + "\n")


# --- Models -----------------------------------------------------------------------------------------------------


def random_unet(config):
    """Weights as PyTorch's layers draw them, from a seed that depends on the config alone."""
    torch.manual_seed(zlib.crc32(json.dumps(config, sort_keys=True).encode()))
    model = UNet2DModel(**config).eval()
    # Norms start as ones and zeros, which hides a forgotten scale or shift.
    for name, parameter in sorted(model.named_parameters()):
        if parameter.ndim == 1 and "norm" in name:
            parameter.data += 0.1 * torch.randn(parameter.shape)
    return model


def fit_last_layer(unet, scheduler):
    """Gives the last convolution the weights that best predict the noise of some smooth pictures (least squares).

    A network that predicts nothing shrinks DDIM's deterministic samples until the norms in it amplify rounding errors
    tenfold each step: then not even float32 and float64 agree. With this they do.
    """
    generator = torch.Generator().manual_seed(0)
    size, channels = unet.config.sample_size, unet.config.in_channels
    position = torch.linspace(0, 2 * math.pi, size)
    features, noises = [], []
    hook = unet.conv_out.register_forward_pre_hook(lambda _, inputs: features.append(inputs[0]))
    with torch.no_grad():
        for t in torch.linspace(0, scheduler.config.num_train_timesteps - 1, 16).round().long():
            frequency, phase = 4 * torch.rand(2, channels, 2, 1, generator=generator)
            rows, columns = torch.sin(frequency * position + phase).unbind(1)
            picture = 0.5 * (rows[:, :, None] + columns[:, None, :])[None]
            noise = torch.randn(picture.shape, generator=generator)
            unet(scheduler.add_noise(picture, noise, t[None]), t)
            noises.append(noise)
    hook.remove()
    windows = torch.nn.functional.unfold(torch.cat(features), 3, padding=1).transpose(1, 2).flatten(0, 1)
    known = torch.cat([windows, torch.ones(len(windows), 1)], 1).double()
    wanted = torch.cat(noises).permute(0, 2, 3, 1).flatten(0, 2).double()
    normal = known.T @ known
    normal += 1e-3 * normal.diagonal().mean() * torch.eye(len(normal))
    solution = torch.linalg.solve(normal, known.T @ wanted).float()
    unet.conv_out.weight.data = solution[:-1].T.reshape(unet.conv_out.weight.shape).contiguous()
    unet.conv_out.bias.data = solution[-1].clone()
    return unet


def full_models():
    return [
        hub_like("full/ncsnpp-256-flat", configs.NCSNPP_256, ve_scheduler_json(**SIGMA_380)),
        pipeline(
            "full/ncsnpp-256", configs.NCSNPP_256, ScoreSdeVePipeline, ScoreSdeVeScheduler(**SMALL_SIGMA)
        ),
        hub_like("full/ncsnpp-1024-flat", configs.NCSNPP_1024, ve_scheduler_json(**SIGMA_1348)),
        pipeline(
            "full/ncsnpp-1024", configs.NCSNPP_1024, ScoreSdeVePipeline, ScoreSdeVeScheduler(**SMALL_SIGMA)
        ),
        hub_like("full/ddpm-cifar10-32-flat", configs.DDPM_CIFAR10_32, ddpm_scheduler_json("fixed_large")),
        pipeline(
            "full/ddpm-cifar10-32",
            configs.DDPM_CIFAR10_32,
            DDPMPipeline,
            DDPMScheduler(variance_type="fixed_large"),
        ),
        hub_like("full/ddpm-256-flat", configs.DDPM_256, ddpm_scheduler_json("fixed_small")),
    ]


def tiny_models():
    test, wide = configs.NCSNPP_TINY_TEST, configs.NCSNPP_TINY_128CH
    return [
        pipeline("tiny/ncsnpp", test, ScoreSdeVePipeline, ScoreSdeVeScheduler(**SMALL_SIGMA)),
        pipeline("tiny/ncsnpp-1348", test, ScoreSdeVePipeline, ScoreSdeVeScheduler()),
        pipeline(
            "tiny/ncsnpp-two-corrections",
            test,
            ScoreSdeVePipeline,
            ScoreSdeVeScheduler(correct_steps=2, **SMALL_SIGMA),
        ),
        pipeline("tiny/ncsnpp-128ch", wide, ScoreSdeVePipeline, ScoreSdeVeScheduler(**SMALL_SIGMA)),
        pipeline("tiny/ddpm", configs.DDPM_TINY, DDPMPipeline, DDPMScheduler()),
        pipeline(
            "tiny/ddpm-large-variance",
            configs.DDPM_TINY,
            DDPMPipeline,
            DDPMScheduler(variance_type="fixed_large", beta_schedule="squaredcos_cap_v2"),
        ),
        pipeline("tiny/ddim", configs.DDPM_TINY, DDIMPipeline, DDIMScheduler()),
        hub_like("tiny/ncsnpp-flat", wide, ve_scheduler_json(**SIGMA_1348)),
        hub_like("tiny/ncsnpp-flat-old-scheduler", wide, old_ve_scheduler_json()),
    ]


def option_models():
    def make(config):
        return lambda folder: random_unet(config).save_pretrained(folder)

    return [
        {
            "name": f"options/{slug(case['name'])}",
            "kind": "unet",
            "unetFolder": ".",
            "case": {key: case[key] for key in ("batch", "size", "timestep", "labels") if key in case},
            "make": make(case["config"]),
        }
        for case in BLOCKS + OPTIONS + LENIENT
    ]


def storage_models():
    """One network in every form of storage. Where two files hold different weights, only the right one gives the
    right output."""
    config = configs.NCSNPP_TINY_TEST
    safetensors, weights_bin = "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"

    def unet():
        return random_unet(config)

    def state():
        return unet().state_dict()

    def st(tensors, name=safetensors):
        return lambda folder: save_file(
            {k: v.contiguous() for k, v in tensors().items()}, folder / name, {"format": "pt"}
        )

    def bin_(value, name=weights_bin, **options):
        return lambda folder: torch.save(value(), folder / name, **options)

    def saved(dtype=torch.float32, **options):
        return lambda folder: unet().to(dtype).save_pretrained(folder, **options)

    def both(*steps):
        return lambda folder: [step(folder) for step in steps]

    def form(name, write, variant=None, **more):
        return storage_form(f"storage/{name}", config, write, variant, **more)

    return [
        form("safetensors", saved()),
        form("safetensors-fp16", saved(torch.float16)),
        form("safetensors-bf16", saved(torch.bfloat16)),
        form("safetensors-mixed-dtypes", st(lambda: mixed_dtypes(state()))),
        form("safetensors-no-metadata", lambda folder: save_file(state(), folder / safetensors)),
        form("safetensors-old-attention-names", st(lambda: old_attention_names(state()))),
        form(
            "safetensors-extra-tensors",
            st(lambda: {**state(), "extra.weight": torch.ones(3), "time_proj.W": torch.ones(32)}),
        ),
        form("safetensors-sharded", saved(max_shard_size="1MB")),
        form("safetensors-variant", saved(torch.float16, variant="fp16"), "fp16"),
        form(
            "safetensors-two-variants",
            both(saved(torch.bfloat16), saved(torch.float16, variant="fp16")),
            "fp16",
        ),
        form(
            "safetensors-two-variants-default",
            both(saved(torch.bfloat16), saved(torch.float16, variant="fp16")),
        ),
        form(
            "safetensors-sharded-variant", saved(torch.float16, variant="fp16", max_shard_size="1MB"), "fp16"
        ),
        form(
            "safetensors-sharded-variant-old-names",
            both(saved(torch.float16, variant="fp16", max_shard_size="1MB"), old_shard_names),
            "fp16",
        ),
        form("bin", saved(safe_serialization=False)),
        form("bin-legacy", bin_(state, _use_new_zipfile_serialization=False)),
        form("bin-plain-dict", bin_(lambda: dict(state()))),
        form("bin-parameters", bin_(lambda: dict(unet().named_parameters()))),
        form("bin-fp16", bin_(lambda: unet().half().state_dict())),
        form("bin-bf16", bin_(lambda: unet().bfloat16().state_dict())),
        form("bin-fp64", bin_(lambda: unet().double().state_dict())),
        form(
            "bin-legacy-fp16", bin_(lambda: unet().half().state_dict(), _use_new_zipfile_serialization=False)
        ),
        form("bin-views", bin_(lambda: views(state()))),
        form("bin-legacy-views", bin_(lambda: views(state()), _use_new_zipfile_serialization=False)),
        form(
            "bin-old-attention-names",
            bin_(lambda: {**old_attention_names(state()), "time_proj.W": state()["time_proj.weight"]}),
        ),
        # Diffusers finds the shards only when it is told not to look for safetensors.
        form("bin-sharded", saved(safe_serialization=False, max_shard_size="1MB"), useSafetensors=False),
        form("bin-variant", saved(torch.float16, safe_serialization=False, variant="fp16"), "fp16"),
        form(
            "bin-and-safetensors",
            both(saved(torch.float16), bin_(lambda: {k: 0 * v for k, v in state().items()})),
        ),
    ]


# --- Forms of a repository ---------------------------------------------------------------------------------------


def pipeline(name, config, pipeline_class, scheduler):
    """As Diffusers saves it: subfolders, safetensors."""

    def make(folder):
        unet = random_unet(config)
        if hasattr(scheduler, "alphas_cumprod"):
            fit_last_layer(unet, scheduler)
        pipeline_class(unet=unet, scheduler=scheduler).save_pretrained(folder)

    return {"name": name, "kind": "pipeline", "unetFolder": "unet", "make": make}


def hub_like(name, config, scheduler_json):
    """As the google/* repositories are: flat, old attention names, the time frequencies twice, `.bin` only (but
    ddpm-cifar10-32, to which a pull request added safetensors)."""
    ddpm = config["time_embedding_type"] == "positional"

    def make(folder):
        state = old_attention_names(random_unet(config).state_dict())
        if not ddpm:
            state["time_proj.W"] = state["time_proj.weight"].clone()
        torch.save(state, folder / "diffusion_pytorch_model.bin")
        if "cifar10" in name:
            save_file(state, folder / "diffusion_pytorch_model.safetensors", {"format": "pt"})
        index = {
            "_class_name": "DDPMPipeline" if ddpm else "ScoreSdeVePipeline",
            **({"_diffusers_version": "0.1.1"} if ddpm else {}),
            "scheduler": ["diffusers", scheduler_json["_class_name"].replace("VeSde", "ScoreSdeVe")],
            "unet": ["diffusers", "UNet2DModel"],
        }
        write_json(folder / "model_index.json", index)
        write_json(
            folder / "config.json", {"_class_name": "UNet2DModel", "_diffusers_version": "0.0.4", **config}
        )
        write_json(folder / "scheduler_config.json", scheduler_json)

    return {"name": name, "kind": "pipeline", "unetFolder": ".", "make": make}


def storage_form(name, config, write, variant, **more):
    """A pipeline whose `unet` folder is filled by `write`."""

    def make(folder):
        unet = folder / "unet"
        unet.mkdir()
        write(unet)
        if not (unet / "config.json").exists():
            with torch.device("meta"):
                UNet2DModel(**config).save_config(unet)
        ScoreSdeVeScheduler(**SMALL_SIGMA).save_pretrained(folder / "scheduler")
        index = {
            "_class_name": "ScoreSdeVePipeline",
            "_diffusers_version": diffusers.__version__,
            "scheduler": ["diffusers", "ScoreSdeVeScheduler"],
            "unet": ["diffusers", "UNet2DModel"],
        }
        write_json(folder / "model_index.json", index)

    return {
        "name": name,
        "kind": "pipeline",
        "unetFolder": "unet",
        **({"variant": variant} if variant else {}),
        **more,
        "make": make,
    }


def ve_scheduler_json(sigma_max, snr):
    return {
        "_class_name": "ScoreSdeVeScheduler",
        "_diffusers_version": "0.1.1",
        "correct_steps": 1,
        "num_train_timesteps": 2000,
        "sampling_eps": 1e-05,
        "sigma_max": sigma_max,
        "sigma_min": 0.01,
        "snr": snr,
    }


def old_ve_scheduler_json():
    """As google/ncsnpp-church-256 has it: the class's first name, and keys that did not exist yet absent."""
    return {
        "_class_name": "VeSdeScheduler",
        "_diffusers_version": "0.0.4",
        "sampling_eps": 1e-05,
        "sigma_max": 380,
        "sigma_min": 0.01,
        "snr": 0.075,
    }


def ddpm_scheduler_json(variance_type):
    return {
        "_class_name": "DDPMScheduler",
        "_diffusers_version": "0.1.1",
        "beta_end": 0.02,
        "beta_schedule": "linear",
        "beta_start": 0.0001,
        "clip_sample": True,
        "num_train_timesteps": 1000,
        "trained_betas": None,
        "variance_type": variance_type,
    }


# --- Forms of a state dict ---------------------------------------------------------------------------------------


def old_attention_names(state):
    """The names of Diffusers before 0.13."""
    renamed = {}
    for name, tensor in state.items():
        for new, old in OLD_ATTENTION_NAMES.items():
            name = name.replace(f".{new}.", f".{old}.")
        renamed[name] = tensor
    return renamed


def mixed_dtypes(state):
    kinds = [torch.float32, torch.float16, torch.bfloat16, torch.float64]
    return {name: state[name].to(kinds[i % len(kinds)]) for i, name in enumerate(sorted(state))}


def views(state):
    """All tensors in one storage; matrices and kernels transposed, so that their strides are not the usual ones."""
    storage = torch.cat([torch.zeros(5)] + [tensor.transpose(0, -1).flatten() for tensor in state.values()])
    result, offset = {}, 5
    for name, tensor in state.items():
        shape = list(tensor.shape)
        shape[0], shape[-1] = shape[-1], shape[0]
        view = storage[offset : offset + tensor.numel()].view(shape).transpose(0, -1)
        assert torch.equal(view, tensor)
        result[name] = view
        offset += tensor.numel()
    return result


def old_shard_names(folder):
    """Sharded variants as Diffusers named them before 0.31."""
    index = folder / "diffusion_pytorch_model.safetensors.index.fp16.json"
    content = json.loads(index.read_text())
    index.unlink()
    renames = {}
    for old in sorted(set(content["weight_map"].values())):
        renames[old] = re.sub(r"\.fp16(-\d+-of-\d+)\.", r"\1.fp16.", old)
        (folder / old).rename(folder / renames[old])
    content["weight_map"] = {tensor: renames[shard] for tensor, shard in content["weight_map"].items()}
    write_json(folder / "diffusion_pytorch_model.safetensors.fp16.index.json", content)


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")


def slug(name):
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


if __name__ == "__main__":
    main()
