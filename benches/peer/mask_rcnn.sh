#!/usr/bin/env bash
# Times full-size Mask R-CNN R-50-FPN side by side: this crate against torchvision.
#
#   benches/peer/mask_rcnn.sh          about half an hour on 2 cores; leave the machine alone meanwhile
#
# Detection in one picture of 800 x 1333 pixels and a training step on two of 512 x 512, at 1 and at 2 threads, with the same weights,
# pictures, objects and sampled candidates; torchvision contiguous and channels-last, the better of the two counts. Rounds alternate
# between the programs. Stops if the two programs differ in the loss or in the number of detections. Ends with the ratios, ours over
# theirs, the peak memory, and one line `forward_1t=... step_1t=... forward_2t=... step_2t=...`.
#
#   PEER_PYTHON=python   an interpreter that has torch, torchvision and safetensors, in place of a new one under target/peer-venv
#   ROUNDS=3 REPEATS=3   measured rounds, timed runs of each
set -euo pipefail
cd "$(dirname "$0")/../.."

export ROUNDS=${ROUNDS:-3} REPEATS=${REPEATS:-3}
results=target/peer/mask_rcnn.jsonl weights=target/peer/mask_rcnn.safetensors
mkdir -p target/peer
export PYTHONDONTWRITEBYTECODE=1

python=$(benches/peer/python.sh numpy torchvision safetensors)
[ -f "$weights" ] || "$python" benches/peer/mask_rcnn.py --draw "$weights"

echo "building the Rust side" >&2
ours=$(benches/built.sh mask_rcnn)

benches/peer/rounds.sh "$results" "$ours" "$python" benches/peer/mask_rcnn.py --weights "$PWD/$weights"
"$python" benches/peer/full_size_table.py "$results"
