#!/usr/bin/env bash
# Peak memory of recipes/cityscapes.toml: two steps with one labelled and one unlabelled picture, and the evaluation of two
# pictures of 1024 x 2048 by each network, on drawn frames. DICC is left out: it needs a CLIP.
#
#   recipes/imagenet_weights.sh                  the ResNet-50, once
#   benches/cityscapes/two_steps.sh              ends with memory_gib=... seconds=...; needs numpy and Pillow
set -euo pipefail
cd "$(dirname "$0")/../.."
weights=${1:-weights/resnet50_imagenet.safetensors}
cargo build --release --quiet
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 benches/cityscapes/frames.py "$work/frames"
python3 - target/release/harness sweep recipes/cityscapes.toml --out "$work/results" --workers 1 \
    --set 'sweeps=[]' --set "data.root=$work/frames" --set "model.backbone.weights=$weights" \
    --set model.backbone.stride-in-1x1=true --set split.labelled=0.5 --set split.min-instances=0 \
    --set loader.labelled=1 --set loader.unlabelled=1 --set train.steps=2 --set train.warm-up=0 --set method.burn-in=0 \
    --set 'method.correction={name="keep"}' <<'P'
import resource, subprocess, sys, time
begin = time.time()
subprocess.run(sys.argv[1:], check=True)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
print(f"memory_gib={peak:.2f} seconds={time.time() - begin:.0f}")
P
