#!/usr/bin/env python3
"""`transformers` and the binary on the same folder and picture, both ways. Not run by the tests, which need no Python.

    pip install torch transformers safetensors scipy pillow numpy
    python3 tests/golden/reload_in_transformers.py HARNESS PICTURE [seed]

1. A folder of random values of sizes and a seed that no golden file has, saved by `transformers` with its image processor:
   `harness predict FOLDER` against `transformers`, on PICTURE and on the same pixels as PNG.
2. A network trained for a few steps by HARNESS: `harness weights export`, loaded by `transformers` without a missing or a surplus
   name; the logits of both on the same picture.

Prints relative errors in the L2 norm; the exit code is 1 if one is above 1e-4.
"""
import glob
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import Mask2FormerForUniversalSegmentation
from transformers.utils import logging

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from hf_mask2former import Processor, configuration, fill, open_folder  # noqa: E402

BOUND = 1e-4
SIZES = dict(
    backbone=dict(embedding_size=16, hidden_sizes=[32, 48, 64, 96], depths=[2, 1, 2, 1], layer_type="bottleneck"),
    feature_size=96, hidden_dim=96, mask_feature_size=64, num_attention_heads=6, encoder_layers=3, encoder_feedforward_dim=128,
    decoder_layers=7, dim_feedforward=160, num_queries=23, num_labels=11, train_num_points=64,
)
RECIPE = """
extends = "{smoke}"
sweeps = []
[model]
queries = 9
width = 64
fpn-width = 64
mask-width = 48
heads = 4
norm-groups = 32
encoder-layers = 2
encoder-points = 4
encoder-ffn = 96
decoder-layers = 4
decoder-ffn = 80
[model.backbone]
block = "basic"
stem = {{ width = 8, kernel = 7, stride = 2, pool = true }}
widths = [8, 16, 24, 32]
depths = [1, 1, 2, 1]
norm = "frozen-batch"
[train]
steps = 5
warm-up = 1
[method]
name = "supervised"
burn-in = 5
empty-image = "background"
[eval]
model = "student"
"""


def error(found, expected):
    return float((found.double() - expected.double()).norm() / expected.double().norm())


def run(*arguments):
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)


def logits(model, pixels):
    with torch.no_grad():
        output = model(pixel_values=pixels)
    return {"class_logits": output.class_queries_logits, "mask_logits": output.masks_queries_logits}


def compare(title, raw, expected):
    worst = 0.0
    for name, values in expected.items():
        worst = max(worst, error(load_file(raw)[name], values))
    print(f"{title}: {worst:.1e}")
    return worst <= BOUND


def main():
    harness, picture = sys.argv[1:3]
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 12345
    logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as work:
        at = lambda name: os.path.join(work, name)
        fine = True
        image = Image.open(picture).convert("RGB")
        image.save(at("picture.png"))

        folder = at("folder")
        model = Mask2FormerForUniversalSegmentation(configuration(SIZES))
        fill(model, torch.Generator().manual_seed(seed))
        model.save_pretrained(folder)
        for size in ({"shortest_edge": 320, "longest_edge": 480}, {"height": 250, "width": 330}, {"shortest_edge": 800, "longest_edge": 1333}):
            processor = Processor(size=size, size_divisor=32 if "shortest_edge" in size else 1)
            processor.save_pretrained(folder)
            pixels = processor(images=image, return_tensors="pt")["pixel_values"]
            expected = logits(open_folder(folder, torch.float32), pixels)
            for path in (at("picture.png"), picture):
                run(harness, "predict", folder, "--images", path, "--out", at("r.json"), "--raw", at("r.safetensors"))
                title = f"a folder of transformers, {tuple(pixels.shape[2:])} {os.path.splitext(path)[1]}"
                fine &= compare(title, at("r.safetensors"), expected)
            try:
                from transformers import Mask2FormerImageProcessor
                other = Mask2FormerImageProcessor(**{**processor.to_dict(), "size": size})(images=image, return_tensors="pt")["pixel_values"]
                print(f"  transformers' torchvision processor against its Pillow one: {error(other, pixels):.1e} of the input, "
                      f"{max(error(a, expected[k]) for k, a in logits(open_folder(folder, torch.float32), other).items()):.1e} of the logits")
            except ImportError as missing:
                print("  no torchvision processor:", str(missing).strip().splitlines()[0])

        smoke = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../recipes/smoke.toml"))
        with open(at("own.toml"), "w") as file:
            file.write(RECIPE.format(smoke=smoke))
        subprocess.run([harness, "sweep", at("own.toml"), "--out", at("results")], check=True, capture_output=True)
        checkpoint = glob.glob(at("results/.store/stages/*/final.safetensors"))[0] + "#student"
        run(harness, "weights", "export", at("own.toml"), "--weights", checkpoint, "--out", at("exported"))
        model, report = Mask2FormerForUniversalSegmentation.from_pretrained(at("exported"), output_loading_info=True)
        names = {kind: sorted(found) for kind, found in report.items() if found}
        print("names that transformers misses or does not know:", names or "none")
        fine &= not names
        run(harness, "predict", at("own.toml"), "--weights", checkpoint, "--images", at("picture.png"), "--out", at("r.json"), "--raw", at("r.safetensors"))
        values = torch.from_numpy(np.array(image)).permute(2, 0, 1).double()
        values = (values - 127.5) / 63.75
        pad = [(-side) % 32 for side in values.shape[1:]]
        values = torch.nn.functional.pad(values, (0, pad[1], 0, pad[0]))[None].float()
        fine &= compare("our checkpoint in transformers", at("r.safetensors"), logits(model.eval(), values))
    raise SystemExit(0 if fine else 1)


if __name__ == "__main__":
    main()
