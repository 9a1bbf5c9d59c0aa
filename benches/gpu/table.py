"""Reads the JSON lines of `compare.sh` and prints one table in Markdown: medians over the rounds, work by work, part by part.

The ratios are PyTorch's time over ours: above 1 we are ahead. PyTorch counts with the better of its layouts, chosen per work.
"""

import json
import sys
from statistics import median

WORKS = (("forward", "teacher's inference"), ("step", "supervised step"), ("pl_dc", "step of PL-DC"))


def lines(run, work):
    """ms of the whole and of the parts, rate; none where the run has no such work."""
    if work not in run:
        return None
    if work == "pl_dc":
        found = run[work]
        return {"all": found["all_ms"], **found["ms"]}, found["rate"], found["pseudo_labels"]
    return run[work], run[f"{work}_rate"], None


def middle(runs):
    """Medians over the rounds of what `lines` gave, each number by itself; the widest spread, the highest peak."""
    parts = {part: median(ms[part] for ms, _, _ in runs) for part in runs[0][0]}
    spread = min(rate["ms_spread"][0] for _, rate, _ in runs), max(rate["ms_spread"][1] for _, rate, _ in runs)
    peaks = [rate["peak_gpu_mb"] for _, rate, _ in runs if rate["peak_gpu_mb"] is not None]
    rate = median(rate["images_per_second"] for _, rate, _ in runs)
    return {"parts": parts, "spread": spread, "peak": max(peaks, default=None), "rate": rate, "labels": runs[0][2]}


def programs(runs, work):
    """By name, what each program took; PyTorch at its better layout."""
    groups = {}
    for run in runs:
        found = lines(run, work)
        if found is None:
            continue
        if run["program"] == "PyTorch":
            key = f"PyTorch {run['mode']}", "channels-last" if run["channels_last"] else "contiguous"
        else:
            key = f"harness {(run['device'] or {}).get('precision', 'CPU')}", ""
        groups.setdefault(key, []).append(found)
    best = {}
    for (name, layout), found in groups.items():
        one = middle(found) | {"layout": layout}
        if name not in best or one["parts"]["all"] < best[name]["parts"]["all"]:
            best[name] = one
    return best


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        runs = [json.loads(line) for line in file if line.startswith("{")]
    if not runs:
        sys.exit("no program ran")
    device = next((run["device"] for run in runs if run["device"]), None) or {"name": "CPU", "driver": None, "cuda": None}
    peer = next((run for run in runs if run["program"] == "PyTorch"), {})
    print(f"{device['name']}, driver {device['driver']}, CUDA {device['cuda']}; PyTorch {peer.get('torch')}, transformers {peer.get('transformers')}\n")
    print("| work | program | images/s | ms | spread | peak MiB | eager over it | compiled over it |\n|---|---|---:|---:|---|---:|---:|---:|")
    for work, title in WORKS:
        found = programs(runs, work)
        for part in dict.fromkeys(part for one in found.values() for part in one["parts"]):
            reference = lambda name: found.get(name, {"parts": {}})["parts"].get(part)
            for name, one in found.items():
                if part not in one["parts"]:
                    continue
                ms = one["parts"][part]
                ratio = lambda theirs: f"{theirs / ms:.2f}" if theirs and ms else ""
                ratios = f"{ratio(reference('PyTorch eager'))} | {ratio(reference('PyTorch compiled'))}"
                label = " ".join(filter(None, (name, one["layout"])))
                if part == "all":
                    labels = f", {one['labels']} pseudo-labels" if one["labels"] is not None else ""
                    low, high = one["spread"]
                    peak = "" if one["peak"] is None else one["peak"]
                    print(f"| **{title}** | {label}{labels} | {one['rate']:.1f} | {ms:.1f} | {low:.1f} to {high:.1f} | {peak} | {ratios} |")
                else:
                    print(f"| {title}: {part} | {label} | | {ms:.1f} | | | {ratios} |")


if __name__ == "__main__":
    main()
