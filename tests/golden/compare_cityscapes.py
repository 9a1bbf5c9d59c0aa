"""Compares the program with Cityscapes' official script on a folder of frames, such as no file here knows.

Run: python tests/golden/compare_cityscapes.py HARNESS FOLDER...

FOLDER holds `gtFine/val`, `predictions` in the script's format, the same as COCO results in `results.json` with the ids of
`instances_val.json`, and `expected.json`: the AP of each class at each threshold (`official.ap_matrix`, null for none), the
averages (`official.allAp`, `official.allAp50`), and pycocotools' twelve numbers (`coco.stats`).
"""
import csv
import json
import math
import os
import subprocess
import sys
import tempfile

HARNESS, FOLDERS = sys.argv[1], sys.argv[2:]
TOLERANCE = 1e-12


def numbers(*arguments):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "scores.csv")
        subprocess.run([HARNESS, "eval", *arguments, "--csv", path], check=True, stdout=subprocess.DEVNULL)
        with open(path) as file:
            return {(row["type"], row["metric"]): float(row["value"]) for row in csv.DictReader(file)}


def compare(place, found, expected):
    """The difference, or infinity where only one of both is defined."""
    expected = math.nan if expected is None else expected
    if math.isnan(found) or math.isnan(expected):
        difference = 0.0 if math.isnan(found) and math.isnan(expected) else math.inf
    else:
        difference = abs(found - expected)
    if difference > TOLERANCE:
        print(f"{place}: {found}, expected {expected}")
    return difference


worst = 0.0
for folder in FOLDERS:
    expected = json.load(open(os.path.join(folder, "expected.json")))
    official = expected["official"]
    inside = lambda name: os.path.join(folder, name)
    ids, results = inside("instances_val.json"), inside("results.json")
    for kind, arguments in [("text", ["--dt", inside("predictions")]), ("COCO", ["--dt", results, "--gt", ids])]:
        found = numbers("--cityscapes", folder, *arguments)
        pairs = [("AP", official["allAp"]), ("AP50", official["allAp50"])]
        for name, line in zip(official["labels"], official["ap_matrix"]):
            pairs += [(f"AP@0.{50 + 5 * i}:{name}", value) for i, value in enumerate(line)]
            pairs.append((f"AP:{name}", official["classes"][name]["ap"]))
        for metric, value in pairs:
            worst = max(worst, compare(f"{folder}, {kind}, {metric}", found["cityscapes", metric], value))
    found = [value for (kind, _), value in numbers("--gt", ids, "--dt", results).items() if kind == "segm"]
    for index, (value, wanted) in enumerate(zip(found, expected["coco"]["stats"])):
        worst = max(worst, compare(f"{folder}, pycocotools' number {index}", value, wanted))
print(f"largest difference {worst:g}, allowed {TOLERANCE:g}")
sys.exit(worst > TOLERANCE)
