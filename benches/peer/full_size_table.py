"""Reads the JSON lines of `full_size.sh`, prints the medians over the rounds and the ratios part by part."""

import json
import sys
from statistics import median


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        runs = [json.loads(line) for line in file if line.startswith("{")]

    def medians(work, **wanted):
        chosen = [run for run in runs if all(run.get(key) == value for key, value in wanted.items())]
        return {part: median(run[work][part] for run in chosen) for part in chosen[0][work]}

    ends = []
    for threads in sorted({run["threads"] for run in runs}):
        for work in ("forward", "step"):
            ours = medians(work, program="harness", threads=threads)
            layouts = {
                name: medians(work, program="transformers", threads=threads, channels_last=last)
                for name, last in (("contiguous", False), ("channels-last", True))
            }
            layout = min(layouts, key=lambda name: layouts[name]["all"])
            theirs = layouts[layout]
            print(f"\n{work}, {threads} thread{'s' * (threads > 1)}; transformers {layout}")
            print(f"{'part':<22}{'harness ms':>12}{'transformers ms':>17}{'ratio':>8}")
            for part, ms in ours.items():
                print(f"{part:<22}{ms:>12.1f}{theirs[part]:>17.1f}{ms / theirs[part]:>8.2f}")
            ends.append(f"{work}_{threads}t={ours['all'] / theirs['all']:.2f}")
    print("\n" + " ".join(ends))


if __name__ == "__main__":
    main()
