#!/usr/bin/env bash
# Times the loader at COCO's size side by side: this crate against PyTorch's DataLoader with the same transforms.
#
#   benches/peer/loader.sh             leave the machine alone meanwhile
#
# A batch has 8 labelled and 8 unlabelled images of about 640 x 480 pixels: decoding, large-scale jitter into 1024 x 1024, masks of
# the labelled objects, and the strong view with colour jitter, grey, blur and three erasings. Both programs are bound to one core and
# then to two. PyTorch runs as its best of PIL (as detectron2's mapper) and torchvision v2 on tensors, and at one core with a worker
# process and without. Rounds alternate between the programs.
# The last line is `ratio_1c=... ratio_2c=...`: our images per second over PyTorch's, at one and at two cores.
#
#   ANNOTATIONS=FILE IMAGES=FOLDER     COCO annotations and the pictures to take, in place of drawn ones under target/peer
#   PEER_PYTHON=python                 an interpreter that has torch, torchvision and pycocotools
#   ROUNDS=3 BATCHES=8                 measured rounds, timed batches of each run
set -euo pipefail
cd "$(dirname "$0")/../.."

rounds=${ROUNDS:-3} batches=${BATCHES:-8}
results=target/peer/loader.jsonl
mkdir -p target/peer
export PYTHONDONTWRITEBYTECODE=1

command -v taskset >/dev/null || { echo "taskset (util-linux) is needed: it binds the programs to cores" >&2; exit 1; }
[ "$(nproc)" -ge 2 ] || { echo "two cores are needed, this machine has $(nproc)" >&2; exit 1; }
python=$(benches/peer/python.sh torchvision pycocotools)

annotations=${ANNOTATIONS:-target/peer/pictures/instances.json} images=${IMAGES:-target/peer/pictures}
[ -n "${ANNOTATIONS:-}" ] || [ -f "$annotations" ] || "$python" benches/peer/draw_pictures.py "$images"

echo "building the Rust side" >&2
ours=$(benches/built.sh loader)

peer() {
    taskset --cpu-list "0-$(($1 - 1))" "$python" benches/peer/loader.py --cores "$1" --batches "$batches" --annotations "$annotations" \
        --images "$images" "${@:2}" 2>target/peer/error.log || { tail -n 3 target/peer/error.log >&2; exit 1; }
}

declare -A best
for cores in 1 2; do
    fastest=0
    for kind in pil tensor; do
        for workers in 0 "$cores"; do
            # Without workers a second core has nothing to do.
            [ "$cores/$workers" != 2/0 ] || continue
            speed=$(peer "$cores" --kind "$kind" --workers "$workers" | sed 's/.*"images_per_second": \([0-9.]*\).*/\1/')
            echo "$cores cores: PyTorch, $kind, $workers workers: $speed images/s" >&2
            if "$python" -c "import sys; sys.exit(not $speed > $fastest)"; then
                fastest=$speed best[$cores]="--kind $kind --workers $workers"
            fi
        done
    done
done

: >"$results"
for round in $(seq "$rounds"); do
    for cores in 1 2; do
        echo "round $round of $rounds, cores $cores" >&2
        taskset --cpu-list "0-$((cores - 1))" "$ours" --threads "$cores" --batches "$batches" --annotations "$annotations" \
            --images "$images" >>"$results"
        # shellcheck disable=SC2086
        peer "$cores" ${best[$cores]} >>"$results"
    done
done
"$python" - "$results" <<'PYTHON'
import json, statistics, sys
runs = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
ends = []
print(f"{'cores':>5} {'program':<28} {'images/s':>9} {'spread':>16} {'CPU ms/image':>13} {'peak MiB':>9}")
for cores in (1, 2):
    speeds = []
    for ours in (True, False):
        chosen = [run for run in runs if run["cores"] == cores and (run["program"] == "harness") == ours]
        found = [run["images_per_second"] for run in chosen]
        speeds.append(statistics.median(found))
        spread = f"{min(found):.1f} to {max(found):.1f}"
        memory = statistics.median(run["peak_mib"] for run in chosen)
        cpu = statistics.median(run["cpu_ms_per_image"] for run in chosen)
        print(f"{cores:>5} {chosen[0]['program']:<28} {speeds[-1]:>9.1f} {spread:>16} {cpu:>13.1f} {memory:>9.0f}")
    ends.append(f"ratio_{cores}c={speeds[0] / speeds[1]:.2f}")
print(" ".join(ends))
PYTHON
