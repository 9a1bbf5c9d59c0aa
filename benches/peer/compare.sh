#!/usr/bin/env bash
# Times the embedded recipe's training step side by side: this crate against the same work in PyTorch.
#
#   benches/peer/compare.sh            about 10 minutes on 2 cores; leave the machine alone meanwhile
#
# PyTorch runs as its best of eager and compiled, contiguous and channels-last, chosen per number of threads before the
# measured rounds. Both programs burn in for the same supervised steps, then run the teacher-student phase with the same
# thresholds, so that both teachers keep pseudo-labels. Rounds alternate between the programs.
# The last line is `ratio_1t=... ratio_2t=...`: our median time per step over PyTorch's, teacher-student phase.
#
#   PEER_PYTHON=python   an interpreter that has torch, numpy and scipy, in place of a new one under target/peer-venv
#   ROUNDS=5 STEPS=60 BURN_IN=300   measured rounds, timed steps of each phase, burn-in steps
set -euo pipefail
cd "$(dirname "$0")/../.."

rounds=${ROUNDS:-5} steps=${STEPS:-60} burn_in=${BURN_IN:-300}
# Lower than the recipe's 0.7-0.85 and 0.8-0.9: after so short a burn-in hardly any prediction would pass those.
common=(--steps "$steps" --burn-in "$burn_in" --class-thresholds 0.3 0.45 --mask-thresholds 0.6 0.7 --accept 0.2)
results=target/peer/results.jsonl
mkdir -p target/peer
export PYTHONDONTWRITEBYTECODE=1 TORCHINDUCTOR_CACHE_DIR=$PWD/target/peer/inductor

python=$(benches/peer/python.sh numpy scipy)

echo "building the Rust side" >&2
ours=$(benches/built.sh step)

peer() { "$python" benches/peer/peer.py --threads "$1" "${common[@]}" "${@:2}" 2>target/peer/error.log; }

declare -A best
layouts=("" "--channels-last")
compilers=("" "--compile")
if ! command -v c++ >/dev/null && ! command -v g++ >/dev/null; then
    echo "no C++ compiler: torch.compile is left out" >&2
    compilers=("")
fi
for threads in 1 2; do
    fastest=
    for compiler in "${compilers[@]}"; do
        for layout in "${layouts[@]}"; do
            # shellcheck disable=SC2086  # an empty option must vanish
            if ! line=$(peer "$threads" $compiler $layout); then
                echo "threads $threads: PyTorch ${compiler:-eager} ${layout:-contiguous} failed: $(tail -n 1 target/peer/error.log)" >&2
                continue
            fi
            ms=$(echo "$line" | "$python" -c 'import json, sys; print(json.load(sys.stdin)["pldc"]["ms_median"])')
            echo "threads $threads: PyTorch ${compiler:-eager} ${layout:-contiguous} $ms ms" >&2
            if [ -z "$fastest" ] || "$python" -c "import sys; sys.exit(not $ms < $fastest)"; then
                fastest=$ms best[$threads]="$compiler $layout"
            fi
        done
    done
    [ -n "$fastest" ] || { echo "PyTorch does not run: target/peer/error.log" >&2; exit 1; }
done

: >"$results"
for round in $(seq "$rounds"); do
    for threads in 1 2; do
        echo "round $round of $rounds, threads $threads" >&2
        "$ours" --threads "$threads" "${common[@]}" >>"$results"
        # shellcheck disable=SC2086
        peer "$threads" ${best[$threads]} >>"$results"
    done
done
"$python" benches/peer/table.py "$results"
