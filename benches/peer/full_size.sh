#!/usr/bin/env bash
# Times full-size Mask2Former R-50 side by side: this crate against Hugging Face `transformers` on PyTorch.
#
#   benches/peer/full_size.sh          about 10 minutes on 2 cores; leave the machine alone meanwhile
#
# Forward of one 512 x 512 image and a training step on two 256 x 256 images, at 1 and at 2 threads; transformers contiguous and
# channels-last, the better of the two counts. Rounds alternate between the programs. Ends with the ratios of every part, ours over
# theirs, and one line `forward_1t=... step_1t=... forward_2t=... step_2t=...`.
#
#   PEER_PYTHON=python   an interpreter that has torch and transformers, in place of a new one under target/peer-venv
#   ROUNDS=3 REPEATS=5   measured rounds, timed runs of each
set -euo pipefail
cd "$(dirname "$0")/../.."

export ROUNDS=${ROUNDS:-3} REPEATS=${REPEATS:-5}
results=target/peer/full_size.jsonl
mkdir -p target/peer
export PYTHONDONTWRITEBYTECODE=1

python=$(benches/peer/python.sh numpy scipy transformers)

echo "building the Rust side" >&2
ours=$(benches/built.sh full_size)

benches/peer/rounds.sh "$results" "$ours" "$python" benches/peer/full_size.py
"$python" benches/peer/full_size_table.py "$results"
