#!/usr/bin/env python3
"""Converts a checkpoint of Detectron2, Mask2Former or PL-DC (`.pkl`, `.pth`) to safetensors with the same names.

    pip install numpy safetensors             # and torch for .pth
    python3 recipes/detectron2_to_safetensors.py model_final.pkl model.safetensors

Then `model.weights = "model.safetensors"` in a recipe, or `--weights model.safetensors`. A file with student and teacher keeps both;
`model.safetensors#student` chooses one. `harness weights inspect model.safetensors --recipe RECIPE` shows what goes where.

A pickle may run any code when it is read: convert only files that you trust.
"""
import argparse
import pickle

import numpy as np
from safetensors.numpy import save_file


def read(path):
    """Names to arrays, whatever they are wrapped in."""
    if path.endswith(".pkl"):
        with open(path, "rb") as file:
            content = pickle.load(file, encoding="latin1")
    else:
        import torch

        content = torch.load(path, map_location="cpu", weights_only=False)
    content = content.get("model", content)
    arrays, skipped = {}, []
    for name, value in content.items():
        if hasattr(value, "detach"):  # a tensor; numpy knows no bfloat16
            value = value.detach().cpu()
            value = (value.float() if value.is_floating_point() else value).numpy()
        if isinstance(value, np.ndarray):
            arrays[name] = np.ascontiguousarray(value)
        else:
            skipped.append(name)
    return arrays, skipped


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("safetensors")
    arguments = parser.parse_args()
    arrays, skipped = read(arguments.checkpoint)
    if not arrays:
        raise SystemExit(f"{arguments.checkpoint}: no array in it")
    save_file(arrays, arguments.safetensors)
    print(f"{len(arrays)} arrays in {arguments.safetensors}")
    if skipped:
        print("no arrays, left out:", ", ".join(skipped))


if __name__ == "__main__":
    main()
