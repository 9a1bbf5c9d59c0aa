#!/usr/bin/env bash
# Times the reading of a file of the shape of instances_train2017.json side by side: this crate, and pycocotools' COCO().
#
#   benches/coco_json/compare.sh        about 3 minutes; needs 1 GB of disk; leave the machine alone meanwhile
#
# The last line is `ratio=...`: our median time over pycocotools'.
#
#   PEER_PYTHON=python   an interpreter that has pycocotools
#   ROUNDS=3             measured rounds; they alternate between the programs
set -euo pipefail
cd "$(dirname "$0")/../.."

rounds=${ROUNDS:-3} python=${PEER_PYTHON:-python3}
folder=target/coco_json file=target/coco_json/annotations.json
mkdir -p "$folder"
"$python" -c 'import pycocotools' || { echo "PEER_PYTHON=$python has no pycocotools: pip install pycocotools==2.0.11" >&2; exit 1; }

ours=$(benches/built.sh coco_json)
[ -f "$file" ] || "$ours" --write "$file"

: >"$folder/ours.jsonl"
: >"$folder/peer.jsonl"
for round in $(seq "$rounds"); do
    echo "round $round of $rounds" >&2
    "$ours" --read "$file" | tee -a "$folder/ours.jsonl"
    "$python" benches/coco_json/peer.py "$file" | tee -a "$folder/peer.jsonl"
done
"$ours" --load "$file"
"$python" - "$folder" <<'PYTHON'
import json, statistics, sys
seconds = lambda name: statistics.median(json.loads(line)["seconds"] for line in open(f"{sys.argv[1]}/{name}.jsonl"))
print(f"ratio={seconds('ours') / seconds('peer'):.2f}")
PYTHON
