"""Reads the JSON lines of `compare.sh`, prints the medians over the rounds and the ratios of the teacher-student phase."""

import json
import sys
from statistics import mean, median

PHASES = ("supervised", "pldc")


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        runs = [json.loads(line) for line in file if line.startswith("{")]
    medians = {}
    print(f"{'program':<26}{'threads':>8}{'phase':>12}{'ms/step':>10}{'spread':>14}{'pseudo/image':>14}{'RSS MB':>8}")
    for threads in sorted({run["threads"] for run in runs}):
        for program in ("harness", "pytorch"):
            chosen = [run for run in runs if (run["program"], run["threads"]) == (program, threads)]
            name = program
            for option in ("compile", "channels_last"):
                name += f" {option}" if chosen[0].get(option) else ""
            for phase in PHASES:
                times = [run[phase]["ms_median"] for run in chosen]
                medians[program, threads, phase] = median(times)
                kept = mean(run[phase].get("pseudo_per_image", 0) for run in chosen)
                kept = f"{kept:.2f}" if phase == "pldc" else ""
                spread = f"{min(times):.1f}-{max(times):.1f}"
                rss = max(run["peak_rss_mb"] for run in chosen)
                print(f"{name:<26}{threads:>8}{phase:>12}{median(times):>10.1f}{spread:>14}{kept:>14}{rss:>8}")
    print("\nparts of a step, mean ms")
    for (program, threads, phase) in medians:
        chosen = [run[phase]["parts_ms"] for run in runs if (run["program"], run["threads"]) == (program, threads)]
        parts = ", ".join(f"{part} {median(run[part] for run in chosen):.1f}" for part in chosen[0])
        print(f"  {program} {threads}t {phase}: {parts}")
    ratio = lambda threads, phase: medians["harness", threads, phase] / medians["pytorch", threads, phase]
    print(f"\nsupervised phase: {ratio(1, 'supervised'):.2f} at 1 thread, {ratio(2, 'supervised'):.2f} at 2")
    print(f"ratio_1t={ratio(1, 'pldc'):.2f} ratio_2t={ratio(2, 'pldc'):.2f}")


if __name__ == "__main__":
    main()
