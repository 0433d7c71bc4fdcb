"""What Python's huggingface_hub makes of a cache: hub_cache.py CACHE_DIR ID REVISION COMMAND [PATH ...]

`read` looks at the cache without a connection, `fetch` downloads the named files (or everything) from HF_ENDPOINT.
Prints one line of JSON.
"""

import hashlib
import json
import os
import sys

cache_dir, repo_id, revision, command, *paths = sys.argv[1:]
if command == "read":
    os.environ["HF_HUB_OFFLINE"] = "1"

import huggingface_hub
from huggingface_hub import hf_hub_download, scan_cache_dir, snapshot_download, try_to_load_from_cache

where = {"repo_id": repo_id, "revision": revision, "cache_dir": cache_dir}


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


if command == "fetch":
    for path in paths:
        hf_hub_download(filename=path, **where)
    if not paths:
        snapshot_download(**where)

cache = scan_cache_dir(cache_dir)
report = {
    "version": huggingface_hub.__version__,
    "warnings": [str(warning) for warning in cache.warnings],
    "files": sorted(
        os.path.relpath(file.file_path, revision_info.snapshot_path)
        for repo in cache.repos
        for revision_info in repo.revisions
        for file in revision_info.files
    ),
    "size": cache.size_on_disk,
}
if command == "read":
    report["snapshot"] = snapshot_download(local_files_only=True, **where)
    report["digests"] = {
        path: digest(hf_hub_download(filename=path, local_files_only=True, **where)) for path in paths
    }
    absent = try_to_load_from_cache(filename="unet/model.onnx", **where)
    report["absent"] = absent is not None and not isinstance(absent, str)
print(json.dumps(report))
