#!/usr/bin/env python3
"""Two training steps of every system's recipe at full size, with one labelled and one unlabelled picture each.

    cargo build --release
    python3 benches/full_size/recipes.py target/release/harness instances_val2017.json val2017 resnet50.safetensors [RECIPE...]

The second and third arguments are COCO's annotations and pictures, of which the first six with an object are used; the fourth is a
ResNet-50 with torchvision's names. Recipes of Cityscapes train on the same pictures, in their own size. Each phase of a training has
its two steps; a burn-in before a teacher has one. PL-DC runs without CLIP, whose weights are a download of its own. Pictures go
through the network one at a time (`loader.micro-batch = 1`).

Prints a line for each recipe: seconds in all (steps, teacher's labels, an evaluation of two pictures) and peak memory; where one fails,
what the program says. Exit code 1: a recipe has failed.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OFFLINE = "teacher-steps = 2"
# A teacher of two steps keeps nothing, and without a pseudo-label these would drop every unlabelled picture.
OFFLINE_KEPT = f'{OFFLINE}\nempty-image = "background"'
NO_CLIP = 'correction = { name = "keep" }'
# Recipe -> keys of [method] beside those of all, and the steps of the whole training.
RECIPES = {
    "mask-rcnn-sup": ("", 2),
    "mask2former-sup": ("", 2),
    "mask2former-sup-gd": ("", 2),
    "dd": (OFFLINE_KEPT, 2),
    "stac": (OFFLINE, 2),
    "csd": ("", 2),
    "cct": ("", 2),
    "dual-branch": (OFFLINE_KEPT, 2),
    "unbiased-teacher": ("burn-in = 1", 3),
    "noisy-boundaries": (OFFLINE_KEPT, 2),
    "polite-teacher": ("burn-in = 1", 3),
    "pais": ("", 2),
    "guided-distillation": ("teacher-steps = 1\nburn-in = 1", 2),
    "pl-dc-paper": (f"burn-in = 1\n{NO_CLIP}", 3),
    "pl-dc-released": (f"burn-in = 1\n{NO_CLIP}", 3),
    "pl-dc-v1": (f"burn-in = 1\n{NO_CLIP}", 3),
}
TEMPLATE = """
extends = "{recipe}"
sweeps  = []
seeds   = [0]

[data]
name              = "coco"
root              = "{root}"
train-annotations = "train.json"
train-images      = "{pictures}"
val-annotations   = "val.json"
val-images        = "{pictures}"
unlabelled-images = ""
classes           = "all"
on-bad-annotation = "skip"
area-bounds       = [1024.0, 9216.0]

[split]
labelled      = 0.5
min-instances = 0
rule          = "permutation"
seed          = "trial"

[loader]
labelled    = 1
unlabelled  = 1
threads     = 0
micro-batch = 1

[model.backbone]
weights = "{weights}"

[method]
{method}

[train]
epochs     = 0
steps      = {steps}
warm-up    = 1
checkpoint = 100

[eval]
metrics = ["coco"]
period  = 0
select  = "last"
"""


def some_pictures(annotations, root):
    """Four pictures to train on and two to evaluate."""
    whole = json.loads(Path(annotations).read_text())
    crowded = {one["image_id"] for one in whole["annotations"] if one["iscrowd"]}
    used = {one["image_id"] for one in whole["annotations"]} - crowded
    images = [image for image in whole["images"] if image["id"] in used][:6]
    for name, part in [("train.json", images[:4]), ("val.json", images[4:])]:
        numbers = {image["id"] for image in part}
        objects = [one for one in whole["annotations"] if one["image_id"] in numbers]
        content = {"images": part, "annotations": objects, "categories": whole["categories"]}
        (root / name).write_text(json.dumps(content))


def run(harness, recipe, out):
    """Seconds, peak memory in GiB, exit code, what the program says."""
    begun = time.monotonic()
    with open(out / "log", "w+") as log:
        command = [harness, "sweep", recipe, "--out", out / "results", "--workers", "1", "--quiet"]
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        log.seek(0)
        said = log.read()
    return time.monotonic() - begun, usage.ru_maxrss / 2**20, os.waitstatus_to_exitcode(status), said


def main():
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    harness, annotations, pictures, weights = (Path(argument).resolve() for argument in sys.argv[1:5])
    names = sys.argv[5:] or list(RECIPES)
    unknown = [name for name in names if name not in RECIPES]
    if unknown:
        sys.exit(f"{', '.join(unknown)}: not a recipe at full size; allowed: {', '.join(RECIPES)}")
    failed = False
    for name in names:
        method, steps = RECIPES[name]
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            some_pictures(annotations, root)
            recipe = root / f"{name}.toml"
            source = ROOT / "recipes" / f"{name}.toml"
            text = TEMPLATE.format(
                recipe=source, root=root, pictures=pictures, weights=weights, method=method, steps=steps
            )
            recipe.write_text(text)
            seconds, memory, code, said = run(harness, recipe, root)
        failed |= code != 0
        print(f"{name:20} {seconds:6.0f} s {memory:6.1f} GiB  {'done' if code == 0 else said}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
