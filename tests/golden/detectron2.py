"""Checkpoints in the forms of Detectron2's model zoo, through `recipes/detectron2_to_safetensors.py`, to `detectron2/*.safetensors`.

    python tests/golden/detectron2.py

Made of the small networks of `mask2former.py`, so that what comes out is known. Needs numpy, safetensors and torch.

| file | as |
|---|---|
| `msra` | `ImageNetPretrained/MSRA/R-50.pkl`: Caffe2's names, norms as scale and shift, BGR from 0 to 255 |
| `torchvision` | `ImageNetPretrained/torchvision/R-50.pkl`: Detectron2's names with an author and a classifier |
| `pl-dc` | a training checkpoint (`.pth`) with student and teacher, an iteration, Mask2Former's names of its released files |
"""
import os
import pickle
import subprocess
import sys
import tempfile

import numpy as np
import torch
from safetensors.numpy import load_file

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPT = os.path.join(HERE, "..", "..", "recipes", "detectron2_to_safetensors.py")
STD = np.array([58.395, 57.12, 57.375], np.float32)[None, :, None, None]
BRANCHES = {"shortcut": "branch1", "conv1": "branch2a", "conv2": "branch2b", "conv3": "branch2c"}


def detectron2(weights):
    """torchvision's names as Detectron2's, as its conversion script renames them."""
    renamed = {}
    for name, value in weights.items():
        name = name if name.startswith("layer") else "stem." + name
        for stage in range(1, 5):
            name = name.replace(f"layer{stage}", f"res{stage + 1}")
        for conv in range(1, 4):
            name = name.replace(f"bn{conv}", f"conv{conv}.norm")
        renamed[name.replace("downsample.0", "shortcut").replace("downsample.1", "shortcut.norm")] = value
    return renamed


def caffe2(weights):
    """Detectron2's names and norms as Caffe2's, for BGR from 0 to 255."""
    blobs = {"conv1_b": np.zeros(len(weights["stem.conv1.weight"]), np.float32)}
    for name, value in weights.items():
        place, field = name.rsplit(".", 1)
        if place == "stem.fc":
            blobs[f"fc1000_{field[0]}"] = value
        elif place.endswith(".norm"):
            if field == "weight":
                scale = value / np.sqrt(weights[place + ".running_var"] + 1e-5)
                shift = weights[place + ".bias"] - weights[place + ".running_mean"] * scale
                conv = place.removesuffix(".norm")
                layer = "res_conv1" if conv == "stem.conv1" else caffe2_place(conv)
                blobs[layer + "_bn_s"], blobs[layer + "_bn_b"] = scale, shift
        elif place == "stem.conv1":
            blobs["conv1_w"] = np.ascontiguousarray((value / STD)[:, ::-1])
        else:
            blobs[caffe2_place(place) + "_w"] = value
        blobs.setdefault("conv1_w_momentum", np.zeros(1, np.float32))
    return blobs


def caffe2_place(place):
    stage, block, conv = place.split(".")
    return f"{stage}_{block}_{BRANCHES[conv]}"


def convert(folder, source, name):
    target = os.path.join(HERE, "detectron2", name + ".safetensors")
    subprocess.run([sys.executable, SCRIPT, os.path.join(folder, source), target], check=True)


def main():
    os.makedirs(os.path.join(HERE, "detectron2"), exist_ok=True)
    resnet = detectron2(load_file(os.path.join(HERE, "resnet_weights.safetensors")))
    golden = load_file(os.path.join(HERE, "mask2former.safetensors"))
    network = {name.removeprefix("param."): value for name, value in golden.items() if name.startswith("param.")}
    network = {name.replace("query_feat", "static_query"): torch.from_numpy(value) for name, value in network.items()}
    assert any("static_query" in name for name in network)
    both = {f"modelTeacher.{name}": value for name, value in network.items()}
    both |= {f"modelStudent.{name}": value.half() for name, value in network.items()}
    both |= {"modelStudent.criterion.empty_weight": torch.ones(4), "modelTeacher.criterion.empty_weight": torch.ones(4)}
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "msra.pkl"), "wb") as file:
            pickle.dump(caffe2(resnet), file, protocol=2)
        with open(os.path.join(folder, "torchvision.pkl"), "wb") as file:
            pickle.dump({"model": resnet, "__author__": "torchvision", "matching_heuristics": True}, file, protocol=2)
        torch.save({"model": both, "iteration": 7, "optimizer": {}}, os.path.join(folder, "pl-dc.pth"))
        convert(folder, "msra.pkl", "msra")
        convert(folder, "torchvision.pkl", "torchvision")
        convert(folder, "pl-dc.pth", "pl-dc")


if __name__ == "__main__":
    main()
