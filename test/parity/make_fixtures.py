"""Writes test/fixtures/unet2d/*.json: what UNet2DModel of Diffusers computes on weights and inputs given by a formula.

    python test/parity/make_fixtures.py [output folder]

golden.json           whole outputs of three small models
blocks.json           one small model per block type and tower form, outputs sampled
options.json          the same per constructor option
lenient.json          the same for misspelt values that Diffusers accepts
refused.json          configurations and inputs that Diffusers refuses
state-dict-keys.json  config, tensor names and shapes of six models
"""

import hashlib
import json
import math
import sys
from pathlib import Path

import configs
import diffusers
import torch
from diffusers import UNet2DModel
from formula import RULE, formula_input, formula_state_dict
from option_cases import BLOCKS, LENIENT, OPTIONS, REFUSED

SAMPLED = 24
FOLDER = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "fixtures" / "unet2d"
MADE_WITH = f"Diffusers {diffusers.__version__}, PyTorch {torch.__version__.split('+')[0]}"


def main():
    diffusers.utils.logging.set_verbosity_error()
    FOLDER.mkdir(parents=True, exist_ok=True)
    outputs = {}
    write("golden.json", golden())
    write("blocks.json", cases_file(BLOCKS, outputs))
    write("options.json", cases_file(OPTIONS, outputs))
    write("lenient.json", cases_file(LENIENT, outputs))
    write("refused.json", {"madeWith": MADE_WITH, "cases": [refused(case) for case in REFUSED]})
    write("state-dict-keys.json", state_dict_keys())


def golden():
    models = {
        "ncsnpp_tiny_128ch": (configs.NCSNPP_TINY_128CH, torch.tensor([5.0])),
        "ncsnpp_tiny_test": (configs.NCSNPP_TINY_TEST, torch.tensor([5.0])),
        "ddpm_tiny": (configs.DDPM_TINY, torch.tensor([10])),
    }
    result = {}
    for name, (config, timestep) in models.items():
        model = build(config)
        y = run(model, formula_input((1, 3, config["sample_size"], config["sample_size"])), timestep)
        result[name] = {
            "config": config,
            "timestep": timestep.tolist(),
            "timestepType": str(timestep.dtype).removeprefix("torch."),
            "tensors": len(model.state_dict()),
            "parameters": sum(p.numel() for p in model.state_dict().values()),
            "meanAbs": y.abs().mean().item(),
            "shape": list(y.shape),
            "output": [round(v, 7) for v in y.flatten().tolist()],
        }
    return {"madeWith": MADE_WITH, "weights": RULE, "input": "cos(0.01*i), float32", "models": result}


def cases_file(cases, outputs):
    return {
        "madeWith": MADE_WITH,
        "weights": RULE,
        "input": "cos(0.01*i) over [batch, in_channels, height, width], float32; labels 'identity': cos(0.01*i) over [batch, time_embed_dim]",
        "values": f"the outputs at floor(j*(n-1)/{SAMPLED - 1}), j = 0..{SAMPLED - 1}; projection = mean(y[i]*cos(0.1*i)) over all n",
        "tensorsHash": "SHA-256 of the lines 'name:d0,d1,…\\n', names ascending",
        "cases": [solved(case, outputs) for case in cases],
    }


def solved(case, outputs):
    model = build(case["config"])
    inputs, described = make_inputs(case)
    y = run(model, **inputs)
    assert torch.isfinite(y).all(), case["name"]
    outputs[case["name"]] = y
    other = outputs.get(case.get("differs_from"))
    if other is not None and other.shape == y.shape:
        difference = ((y - other).norm() / other.norm()).item()
        assert difference > 1e-3, f"{case['name']} gives the same as {case['differs_from']}: {difference}"

    state = model.state_dict()
    flat = y.flatten().double()
    n = flat.numel()
    projection = (flat * torch.cos(0.1 * torch.arange(n, dtype=torch.float64))).mean().item()
    return {
        "name": case["name"],
        "config": case["config"],
        **described,
        "tensors": len(state),
        "tensorsHash": tensors_hash(state),
        "shape": list(y.shape),
        "meanAbs": significant(flat.abs().mean().item()),
        "projection": significant(projection),
        "values": [significant(flat[j * (n - 1) // (SAMPLED - 1)].item()) for j in range(SAMPLED)],
    }


def refused(case):
    stage = "construct"
    try:
        model = build(case["config"])
        stage = "run"
        inputs, described = make_inputs(case)
        y = run(model, **inputs)
    except Exception as error:
        print(f"  {case['name']} [{stage}]: {type(error).__name__}: {str(error)[:150]}", file=sys.stderr)
        _, described = make_inputs(case)
        return {
            "name": case["name"],
            "config": case["config"],
            **described,
            "stage": stage,
            "exception": type(error).__name__,
        }
    print(f"  {case['name']} RUNS: {list(y.shape)}, finite {torch.isfinite(y).all().item()}", file=sys.stderr)
    return {
        "name": case["name"],
        "config": case["config"],
        **described,
        "stage": None,
        "exception": None,
        "shape": list(y.shape),
    }


def make_inputs(case):
    """The forward call's arguments, and the same as JSON."""
    config = case["config"]
    batch = case.get("batch", 1)
    height, width = case.get("size") or [config["sample_size"]] * 2
    fourier = config.get("time_embedding_type") == "fourier"
    timestep = case.get("timestep", [5.0] if fourier else [10])
    inputs = {
        "sample": formula_input((batch, config.get("in_channels", 3), height, width)),
        "timestep": torch.tensor(timestep),
    }
    described = {
        "batch": batch,
        "size": [height, width],
        "timestep": timestep,
        "timestepType": str(inputs["timestep"].dtype).removeprefix("torch."),
    }
    labels = case.get("labels")
    if labels == "identity":
        time_embed_dim = config.get("time_embedding_dim") or 4 * config["block_out_channels"][0]
        inputs["class_labels"] = formula_input((batch, time_embed_dim))
    elif labels is not None:
        inputs["class_labels"] = torch.tensor(labels)
    if labels is not None:
        described["labels"] = labels
    return inputs, described


def build(config):
    model = UNet2DModel(**config).eval()
    model.load_state_dict(formula_state_dict(model.state_dict()))
    return model


def run(model, sample, timestep, class_labels=None):
    with torch.no_grad():
        return model(sample, timestep, class_labels).sample


def state_dict_keys():
    models = {
        "ncsnpp_1024": configs.NCSNPP_1024,
        "ncsnpp_256": configs.NCSNPP_256,
        "ddpm_cifar10_32": configs.DDPM_CIFAR10_32,
        "ncsnpp_tiny_128ch": configs.NCSNPP_TINY_128CH,
        "ncsnpp_tiny_test": configs.NCSNPP_TINY_TEST,
        "ddpm_tiny": configs.DDPM_TINY,
    }
    result = {}
    for name, config in models.items():
        with torch.device("meta"):
            state = UNet2DModel(**config).state_dict()
        result[name] = {"config": config, "tensors": {key: list(state[key].shape) for key in sorted(state)}}
    return {"madeWith": MADE_WITH, "models": result}


def tensors_hash(state):
    lines = "".join(f"{name}:{','.join(map(str, state[name].shape))}\n" for name in sorted(state))
    return hashlib.sha256(lines.encode()).hexdigest()


def significant(value):
    """Eight significant digits: as many as a float32 holds."""
    return float(f"{value:.8g}") if math.isfinite(value) else value


def write(name, value):
    """One line per case or model: small, and a change shows in a diff."""

    def line(v):
        return json.dumps(v, separators=(",", ":"))

    if "cases" in value:
        head = {k: v for k, v in value.items() if k != "cases"}
        text = line(head)[:-1] + ',"cases":[\n' + ",\n".join(map(line, value["cases"])) + "\n]}\n"
    else:
        head = {k: v for k, v in value.items() if k != "models"}
        models = ",\n".join(f"{json.dumps(k)}:{line(v)}" for k, v in value["models"].items())
        text = line(head)[:-1] + ',"models":{\n' + models + "\n}}\n"
    (FOLDER / name).write_text(text)
    print(f"{name}: {len(text)} bytes")


main()
