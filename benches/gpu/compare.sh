#!/usr/bin/env bash
# Times full-size PL-DC on one GPU side by side: this crate at f32, tf32 and bf16 against PyTorch eager and compiled.
#
#   benches/gpu/compare.sh             leave the GPU alone meanwhile; README.md beside this file says what is compared
#
# Rounds alternate between the programs. Every round runs each of them once, PyTorch contiguous and channels-last, the better of
# which counts. Ends with one table in Markdown, which is also in target/gpu/table.md; the lines of JSON are in target/gpu/results.jsonl.
#
#   PEER_PYTHON=python3  an interpreter that has torch with CUDA, transformers and scipy
#   DEVICE=cuda:0 SIZE=1024 IMAGES=8 PSEUDO_LABELS=20 ROUNDS=3 REPEATS=10 WARM_UP=3 THREADS=8
#   BENCH=file           the bench `full_size`, built elsewhere, in place of a build here
set -euo pipefail
cd "$(dirname "$0")/../.."

fail() { echo "benches/gpu/compare.sh: $*" >&2; exit 1; }

python=${PEER_PYTHON:-python3} device=${DEVICE:-cuda:0} size=${SIZE:-1024} images=${IMAGES:-8} pseudo=${PSEUDO_LABELS:-20}
rounds=${ROUNDS:-3} repeats=${REPEATS:-10} warm_up=${WARM_UP:-3} threads=${THREADS:-8}
folder=target/gpu results=target/gpu/results.jsonl
export PYTHONDONTWRITEBYTECODE=1

command -v "$python" >/dev/null || fail "no Python \`$python\`: PEER_PYTHON names one"
for package in torch transformers scipy; do
    "$python" -c "import $package" 2>/dev/null || fail "$python has no package \`$package\`: benches/gpu/README.md lists what is needed"
done
"$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null || fail "PyTorch sees no GPU (or has no CUDA)"
command -v nvidia-smi >/dev/null && nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader >&2

ours=${BENCH:-}
if [ -z "$ours" ]; then
    echo "building the Rust side" >&2
    ours=$(benches/built.sh full_size --features cuda)
fi
[ -x "$ours" ] || fail "BENCH=$ours is no program"

mkdir -p "$folder"
: >"$results"

# Appends the line of JSON that a program prints; says so where it fails, and goes on: the table then has a gap.
try() {
    local name=$1
    shift
    echo "  $name" >&2
    "$@" >>"$results" 2>"$folder/error.log" || echo "  $name failed: $(tail -n 1 "$folder/error.log")" >&2
}

common=(--device "$device" --images "$images" --pseudo-labels "$pseudo" --repeats "$repeats" --warm-up "$warm_up" --parts)
for round in $(seq "$rounds"); do
    echo "round $round of $rounds" >&2
    for precision in f32 tf32 bf16; do
        run=("$ours" "${common[@]}" --threads "$threads" --precision "$precision" --forward-size "$size")
        try "harness $precision" "${run[@]}" --step-size "$size"
        try "harness $precision, PL-DC" "${run[@]}" --pl-dc "$size"
    done
    for mode in "" "--compile"; do
        for layout in "" "--channels-last"; do
            # shellcheck disable=SC2086  # an empty option must vanish
            try "PyTorch bf16 ${mode:-eager} ${layout:-contiguous}" "$python" benches/gpu/peer.py "${common[@]}" --size "$size" $mode $layout
        done
    done
done
"$python" benches/gpu/table.py "$results" | tee "$folder/table.md"
