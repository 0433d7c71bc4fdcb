"""Writes test/fixtures/score-sde: what the networks of score_sde compute, and which tensors and options they have.

    python test/parity/score_sde/make_fixtures.py [--reference FOLDER] [--output FOLDER]

networks.json    outputs of the networks in cases.py, computed by networks.py in float64
classifier.json  of the classifier among them the gradient of log p(y | x, σ) by x, computed by autograd

With --reference, a folder of numbers that were computed with yang-song/score_sde_pytorch and of its configurations
(golden/score-sde, score-sde-state-dicts, score-sde-configs.json), also excerpts of them:

original.json   samples of the outputs of eleven small networks
tensors.json    per configuration, how many tensors its checkpoint has and the hash of their names and shapes
configs.json    per configuration, the hash of its options
"""

import argparse
import hashlib
import json
import math
from pathlib import Path

import torch
from cases import CASES
from formula import INPUT, RULE, formula_input, formula_weights
from networks import Weights, network

SAMPLED = 24
DESCRIPTION = {
    "weights": RULE,
    "input": INPUT,
    "values": f"the outputs at floor(j*(n-1)/{SAMPLED - 1}), j = 0..{SAMPLED - 1}; projection = mean(y[i]*cos(0.1*i)) over all n",
    "tensorsHash": "SHA-256 of the lines 'name:d0,d1,…\\n', names ascending",
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--output", type=Path, default=Path(__file__).parents[2] / "fixtures" / "score-sde")
    arguments = parser.parse_args()
    folder = arguments.output
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    made_with = f"PyTorch {torch.__version__.split('+')[0]}, float64"
    outputs = {}
    write(
        folder / "networks.json", {"madeWith": made_with, **DESCRIPTION}, [solved(c, outputs) for c in CASES]
    )
    write(folder / "classifier.json", {"madeWith": made_with, **DESCRIPTION}, [classified()])
    if arguments.reference:
        write(folder / "original.json", *original(arguments.reference))
        write(folder / "tensors.json", *tensors(arguments.reference))
        write(folder / "configs.json", *configs(arguments.reference))


def solved(case, outputs):
    weights = Weights()
    x = formula_input((len(case["labels"]), case["data"]["num_channels"], *case["size"]))
    labels = torch.tensor(case["labels"], dtype=torch.float32).double()
    network(weights, x, labels, case["model"], case["data"])
    weights.tensors = formula_weights(weights.shapes)
    y = network(weights, x, labels, case["model"], case["data"])
    assert torch.isfinite(y).all(), case["name"]
    for name, other in outputs.items():
        if other.shape == y.shape:
            difference = ((y - other).norm() / other.norm()).item()
            assert difference > 1e-4, f"{case['name']} gives the same as {name}: {difference}"
    outputs[case["name"]] = y
    described = {**case, "tensors": len(weights.shapes), "tensorsHash": tensors_hash(weights.shapes)}
    return {**described, **sampled(y.flatten(), list(y.shape))}


def classified():
    case = next(c for c in CASES if c["name"] == "wideresnet")
    weights = Weights()
    x = formula_input((2, case["data"]["num_channels"], *case["size"])).requires_grad_()
    sigma = torch.tensor(case["labels"], dtype=torch.float32).double()
    network(weights, x.detach(), sigma, case["model"], case["data"])
    weights.tensors = formula_weights(weights.shapes)
    log_probs = torch.log_softmax(network(weights, x, sigma, case["model"], case["data"]), dim=1)
    y = [3, 7]
    gradient = torch.autograd.grad(log_probs[range(2), y].sum(), x)[0]
    described = {"sigma": case["labels"], "y": y, "logProbs": [significant(p.item()) for p in log_probs.flatten()]}
    return {**described, **sampled(gradient.flatten(), list(gradient.shape))}


def sampled(y, shape):
    n = y.numel()
    projection = (y * torch.cos(0.1 * torch.arange(n, dtype=torch.float64))).mean().item()
    return {
        "shape": shape,
        "largest": significant(y.abs().max().item()),
        "projection": significant(projection),
        "values": [significant(y[j * (n - 1) // (SAMPLED - 1)].item()) for j in range(SAMPLED)],
    }


def original(reference):
    golden = json.loads((reference / "golden/score-sde/tiny_networks_hash.json").read_text())
    entries = []
    for entry in golden["entries"]:
        config = entry["config"]
        y = torch.tensor(entry["output"], dtype=torch.float64)
        entries.append({
            "name": entry["name"],
            "model": config["model"],
            "data": {key: config[key] for key in ("image_size", "num_channels", "centered")},
            "labels": entry["labels"],
            "size": entry["input_shape"][2:],
            "tensors": entry["n_tensors"],
            "noise": entry["max_abs_diff_to_float64_run"],
            **sampled(y, entry["input_shape"]),
        })  # fmt: skip
    noise = "largest difference between the float32 outputs and the same network in float64"
    return {"madeWith": golden["how"]["source"], **DESCRIPTION, "noise": noise}, entries


def tensors(reference):
    entries = []
    for path in sorted((reference / "score-sde-state-dicts").glob("*.tsv")):
        rows = [line.split("\t") for line in path.read_text().splitlines() if not line.startswith("#")]
        only_flax = path.name.endswith(".flax.tsv")
        if not only_flax:
            rows = [row for row in rows if row[0] != "module.sigmas"]
        flax = {row[-2]: shape(row[-1]) for row in rows}
        entry = {"name": path.name.split(".")[0].replace("__", "/"), "tensors": len(rows)}
        entry["parameters"] = sum(math.prod(dims) for dims in flax.values())
        if not only_flax:
            torch_shapes = {row[0].removeprefix("module."): shape(row[1]) for row in rows}
            entry["torchHash"] = tensors_hash(torch_shapes)
            order = [row[0].removeprefix("module.") for row in rows if row[4] != ""]
            assert [int(row[4]) for row in rows if row[4] != ""] == list(range(len(order)))
            entry["averagedHash"] = hash_of("".join(f"{name}\n" for name in order))
        entries.append({**entry, "flaxHash": tensors_hash(flax)})
    described = {
        "madeWith": "yang-song/score_sde_pytorch at commit cb1f359 and yang-song/score_sde at commit 0acb9e0",
        "torchHash": f"{DESCRIPTION['tensorsHash']}; without the buffer sigmas",
        "averagedHash": "SHA-256 of the lines 'name\\n' in the order of the checkpoint's list of averaged weights",
        "flaxHash": DESCRIPTION["tensorsHash"],
    }
    return described, entries


# Options that no code of the original reads.
UNREAD = {
    "device",
    "training.n_jitted_steps",
    "model.attention_type",
    "model.conv_size",
    "model.fir_kernel",
    "optim.amsgrad",
}
# … and those that the defaults give to every network, but only some networks read.
READ_BY = {"embedding_type": {"ncsnpp"}, "dropout": {"ncsnpp", "ddpm"}}


def configs(reference):
    entries = []
    flat = json.loads((reference / "score-sde-configs.json").read_text())
    for path, options in flat.items():
        kept = {key: value for key, value in options.items() if is_read(key, options)}
        lines = "".join(f"{key}={line(kept[key])}\n" for key in sorted(kept))
        name = path.removeprefix("configs/").removesuffix(".py")
        entries.append({"name": name, "options": len(kept), "hash": hash_of(lines)})
    described = {
        "madeWith": "yang-song/score_sde at commit 0acb9e0",
        "hash": "SHA-256 of the lines 'section.key=value\\n', keys ascending, numbers as 5.000000e+1, lists joined by commas",
        "left out": [*sorted(UNREAD), "model.fourier_scale without Fourier features"],
        "readOnlyBy": {key: sorted(names) for key, names in READ_BY.items()},
    }
    return described, entries


def is_read(key, options):
    if key == "model.fourier_scale":
        return options["model.embedding_type"] == "fourier"
    model = options.get("model.name")
    return key not in UNREAD and (model is None or model in READ_BY.get(key.removeprefix("model."), {model}))


def line(value):
    if isinstance(value, list):
        return ",".join(map(line, value))
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value).lower() if isinstance(value, bool) else value
    mantissa, exponent = f"{value:.6e}".split("e")
    return f"{mantissa}e{int(exponent):+d}"


def shape(text):
    return [int(size) for size in text.split("x")]


def tensors_hash(shapes):
    return hash_of("".join(f"{name}:{','.join(map(str, shapes[name]))}\n" for name in sorted(shapes)))


def hash_of(text):
    return hashlib.sha256(text.encode()).hexdigest()


def significant(value):
    """Eight significant digits: as many as a float32 holds."""
    return float(f"{value:.8g}")


def write(path, description, entries):
    """One line per entry: small, and a change shows in a diff."""
    lines = [
        f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}," for key, value in description.items()
    ]
    cases = ",\n".join(f"    {json.dumps(entry, separators=(',', ':'))}" for entry in entries)
    path.write_text("{\n" + "\n".join(lines) + '\n  "cases": [\n' + cases + "\n  ]\n}\n")


if __name__ == "__main__":
    main()
