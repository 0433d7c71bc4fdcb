"""Compares folders that this library saved with what Diffusers saves from the same source.

    python test/parity/check_saved.py < pairs.jsonl

Each line of standard input is one pair:

    { "source": folder, "saved": folder, "variant"?, "scheduler"?, "maxShardSize"?, "loadVariant"? }

`saved` is what savePretrained wrote after fromPretrained(source) with the same options (`variant` and
`maxShardSize` of the save, `loadVariant` of the load, `scheduler` a class that replaced the pipeline's own). One
line comes back for each:

    { "ok", "files": { name: "equal" | "absent" | { "at", "ours", "theirs" } }, "extra": [names],
      "load": "equal" | what differs }

`files` holds every file that Diffusers writes, compared but for the key "_name_or_path": the folder of this machine
that Diffusers loaded from, which we don't write. `extra` holds those that only `saved` has. "load" says whether Diffusers
loads `saved` and finds the source's configs, weights (bit for bit) and output. The exit code is 1 if any isn't ok.
"""

import json
import re
import sys
import tempfile
from pathlib import Path

import diffusers
import torch
from diffusers import DiffusionPipeline

CONTEXT = 40


def main():
    diffusers.utils.logging.set_verbosity(diffusers.utils.logging.CRITICAL)
    diffusers.utils.logging.disable_progress_bar()
    failed = False
    for line in sys.stdin:
        result = check(json.loads(line))
        failed = failed or not result["ok"]
        print(json.dumps(result), flush=True)
    sys.exit(1 if failed else 0)


def check(pair):
    saved = Path(pair["saved"])
    source = DiffusionPipeline.from_pretrained(pair["source"], variant=pair.get("loadVariant"))
    if "scheduler" in pair:
        source.scheduler = getattr(diffusers, pair["scheduler"]).from_config(source.scheduler.config)
    options = {"variant": pair.get("variant"), "max_shard_size": pair.get("maxShardSize")}
    with tempfile.TemporaryDirectory() as folder:
        expected = Path(folder)
        source.save_pretrained(expected, **{name: value for name, value in options.items() if value})
        names = sorted(str(file.relative_to(expected)) for file in expected.rglob("*") if file.is_file())
        files = {name: compare_bytes(saved / name, expected / name) for name in names}
    ours = sorted(str(file.relative_to(saved)) for file in saved.rglob("*") if file.is_file())
    load = compare_load(source, saved, pair.get("variant"))
    equal = all(status == "equal" for status in files.values())
    extra = [name for name in ours if name not in files]
    return {"ok": equal and load == "equal", "files": files, "extra": extra, "load": load}


def compare_bytes(ours, theirs):
    """Where two files part, with the bytes around it."""
    if not ours.is_file():
        return "absent"
    a, b = ours.read_bytes(), theirs.read_bytes()
    if theirs.suffix == ".json":
        b = re.sub(rb'  "_name_or_path": .*,\n', b"", b)
    if a == b:
        return "equal"
    at = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    start, end = max(0, at - CONTEXT), at + CONTEXT
    return {"at": at, "ours": a[start:end].decode("latin1"), "theirs": b[start:end].decode("latin1")}


def compare_load(source, saved, variant):
    try:
        loaded = DiffusionPipeline.from_pretrained(str(saved), variant=variant)
    except Exception as error:  # whatever it is, it is the finding
        return f"{type(error).__name__}: {error}"
    if type(loaded) is not type(source):
        return f"pipeline is a {type(loaded).__name__}"
    for name in ("scheduler", "unet"):
        ours, theirs = plain_config(getattr(loaded, name)), plain_config(getattr(source, name))
        if ours != theirs:
            keys = [key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)]
            return f"{name} config differs in {', '.join(sorted(keys))}"
    ours, theirs = loaded.unet.state_dict(), source.unet.state_dict()
    if ours.keys() != theirs.keys():
        return f"tensor names differ: {sorted(ours.keys() ^ theirs.keys())[:4]}"
    different = [name for name in ours if not torch.equal(ours[name], theirs[name])]
    if different:
        return f"tensors differ: {different[:4]}"
    # PyTorch rounds by where in memory the same weights lie, which a file that is mapped decides.
    ours, theirs = output_of(loaded.unet), output_of(source.unet)
    error = ((ours - theirs).abs().max() / theirs.abs().max()).item()
    return "equal" if error <= 1e-5 else f"output differs by {error:.1e}"


def plain_config(component):
    return {key: value for key, value in component.config.items() if not key.startswith("_")}


def output_of(unet):
    size = unet.config.sample_size
    height, width = (size, size) if isinstance(size, int) else size
    sample = torch.linspace(-1, 1, unet.config.in_channels * height * width)
    with torch.no_grad():
        return unet(sample.reshape(1, -1, height, width), torch.tensor([5])).sample


if __name__ == "__main__":
    main()
