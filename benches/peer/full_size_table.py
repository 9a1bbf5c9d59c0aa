"""Reads the JSON lines of `full_size.sh` or `mask_rcnn.sh`, prints the medians over the rounds and the ratios part by part.

Stops if the programs did not do the same work: where they tell them, their losses and numbers of detections have to agree.
"""

import json
import sys
from statistics import median


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        runs = [json.loads(line) for line in file if line.startswith("{")]

    peer = next(run["program"] for run in runs if run["program"] != "harness")
    for key, tolerance in (("loss", 1e-3), ("detections", 0)):
        told = [run[key] for run in runs if key in run]
        if told and max(told) - min(told) > tolerance * max(map(abs, told)):
            sys.exit(f"the programs differ in {key}: {sorted(set(told))}")

    def medians(work, **wanted):
        chosen = [run for run in runs if all(run.get(key) == value for key, value in wanted.items())]
        return {part: median(run[work][part] for run in chosen) for part in chosen[0][work]}

    ends = []
    for threads in sorted({run["threads"] for run in runs}):
        for work in ("forward", "step"):
            ours = medians(work, program="harness", threads=threads)
            layouts = {
                name: medians(work, program=peer, threads=threads, channels_last=last)
                for name, last in (("contiguous", False), ("channels-last", True))
            }
            layout = min(layouts, key=lambda name: layouts[name]["all"])
            theirs = layouts[layout]
            print(f"\n{work}, {threads} thread{'s' * (threads > 1)}; {peer} {layout}")
            print(f"{'part':<28}{'harness ms':>12}{peer + ' ms':>17}{'ratio':>8}")
            for part, ms in ours.items():
                if part not in theirs:
                    print(f"{part:<28}{ms:>12.1f}")
                    continue
                print(f"{part:<28}{ms:>12.1f}{theirs[part]:>17.1f}{ms / theirs[part]:>8.2f}")
            ends.append(f"{work}_{threads}t={ours['all'] / theirs['all']:.2f}")
    for key in ("forward_peak_rss_mb", "peak_rss_mb"):
        for program in ("harness", peer):
            peaks = [run[key] for run in runs if run["program"] == program and key in run]
            if peaks:
                print(f"{key}, {program}: {max(peaks)}")
    print("\n" + " ".join(ends))


if __name__ == "__main__":
    main()
