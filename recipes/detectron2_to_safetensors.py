#!/usr/bin/env python3
"""Converts a checkpoint of Detectron2, Mask2Former or PL-DC (`.pkl`, `.pth`) to safetensors.

    pip install numpy safetensors             # and torch for .pth, and for a .pkl that holds tensors
    python3 recipes/detectron2_to_safetensors.py model_final.pkl model.safetensors

Then `model.weights = "model.safetensors"` in a recipe, or `--weights model.safetensors`. A file with student and teacher keeps both;
`model.safetensors#student` chooses one. `harness weights inspect model.safetensors --recipe RECIPE` shows what goes where.

Names stay as they are, with two exceptions:

- `static_query`, which Mask2Former's released checkpoints have for `query_feat`;
- Caffe2's names of MSRA's ImageNet backbones (`R-50.pkl`). They become Detectron2's; the norms get the running mean 0 and variance 1 that
  are already in their scale and shift; and the first kernel, which is for blue, green, red from 0 to 255 less a mean, becomes one for red,
  green, blue divided by ImageNet's deviation. Use it as `model.backbone.weights` with `model.backbone.stride-in-1x1 = true`.

Detectron2's `torchvision/R-50.pkl` needs nothing: `model.backbone.weights` knows its names, with the stride on the 3x3.

A pickle may run any code when it is read: convert only files that you trust.
"""
import argparse
import pickle
import re

import numpy as np
from safetensors.numpy import save_file

# Red, green, blue on a scale from 0 to 255: `model.pixel-std`.
IMAGENET_STD = np.array([58.395, 57.12, 57.375], np.float32)
# Caffe2's fields of a convolution and of the norm behind it.
FIELDS = {"w": "weight", "bn_s": "norm.weight", "bn_b": "norm.bias", "bn_rm": "norm.running_mean", "bn_riv": "norm.running_var"}
BRANCHES = {"1": "shortcut", "2a": "conv1", "2b": "conv2", "2c": "conv3"}


def read(path):
    """Names to arrays, whatever they are wrapped in, and the names of what is no array."""
    if path.endswith(".pkl"):
        with open(path, "rb") as file:
            content = pickle.load(file, encoding="latin1")
    else:
        import torch

        content = torch.load(path, map_location="cpu", weights_only=False)
    for wrapped in ("model", "blobs"):
        content = content.get(wrapped, content)
    arrays, skipped = {}, []
    for name, value in content.items():
        if hasattr(value, "detach"):  # a tensor; numpy knows no bfloat16
            value = value.detach().cpu()
            value = (value.float() if value.is_floating_point() else value).numpy()
        if isinstance(value, np.ndarray):
            arrays[name] = value
        else:
            skipped.append(name)
    return arrays, skipped


def detectron2_name(name):
    """Detectron2's name of Caffe2's `name` of a ResNet; None for what a backbone does not have."""
    field = "|".join(FIELDS)
    stem = re.fullmatch(f"(?:res_)?conv1_({field})", name)
    if stem:
        return f"stem.conv1.{FIELDS[stem[1]]}"
    block = re.fullmatch(f"(res\\d)_(\\d+)_branch({'|'.join(BRANCHES)})_({field})", name)
    return block and f"{block[1]}.{block[2]}.{BRANCHES[block[3]]}.{FIELDS[block[4]]}"


def from_caffe2(arrays):
    """The arrays of a ResNet of MSRA with Detectron2's names and meaning, and the names of the rest."""
    named = {name: detectron2_name(name) for name in arrays}
    weights = {new: arrays[name] for name, new in named.items() if new}
    for name in [name for name in weights if name.endswith("norm.weight")]:
        norm = name.removesuffix("weight")
        weights.setdefault(norm + "running_mean", np.zeros_like(weights[name]))
        weights.setdefault(norm + "running_var", np.ones_like(weights[name]))
    stem = weights["stem.conv1.weight"]
    weights["stem.conv1.weight"] = stem[:, ::-1] * IMAGENET_STD[None, :, None, None]
    return weights, [name for name, new in named.items() if not new]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("safetensors")
    arguments = parser.parse_args()
    arrays, skipped = read(arguments.checkpoint)
    if "conv1_w" in arrays:
        arrays, left_out = from_caffe2(arrays)
        skipped += left_out
    if not arrays:
        raise SystemExit(f"{arguments.checkpoint}: no array in it")
    arrays = {name.replace("static_query", "query_feat"): np.array(value, order="C") for name, value in arrays.items()}
    save_file(arrays, arguments.safetensors)
    print(f"{len(arrays)} arrays in {arguments.safetensors}")
    if skipped:
        print("left out, no arrays or no part of a backbone:", ", ".join(skipped))


if __name__ == "__main__":
    main()
