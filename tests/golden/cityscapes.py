"""Golden values of Cityscapes' official instance-level AP: drawn frames and predictions, scored by the official script,
and the AP of COCO of the same masks, by pycocotools.

Run: python tests/golden/cityscapes.py > tests/golden/cityscapes.json
(needs numpy 2.3.5, pillow 13.0.0, cityscapesscripts 2.3.0, pycocotools 2.0.11)

The script of Cityscapes is changed in three places: a class whose predictions are all ignored has AP 0, where it would
stop with an IndexError (its issue 89); matches.json is not written; nothing is cached inside the installed package.
"""
import contextlib
import inspect
import io
import json
import os
import tempfile

import numpy as np
from PIL import Image
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

HEIGHT, WIDTH = 64, 112
CLASSES = {24: "person", 25: "rider", 26: "car", 27: "truck", 28: "bus", 31: "train", 32: "motorcycle", 33: "bicycle"}
CITIES = ["frankfurt", "munster", "ulm"]
rng = np.random.default_rng(20264)
rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]


def shape(top, left, height, width, kind="box"):
    inside = (rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width)
    if kind == "disc":
        y, x = (rows - top - height / 2 + 0.5) / (height / 2), (columns - left - width / 2 + 0.5) / (width / 2)
        inside &= y * y + x * x <= 1
    if kind == "frame":  # a hole in the middle
        inside &= ~shape(top + height // 3, left + width // 3, height // 3, width // 3)
    return inside


def place(least, most):
    height, width = rng.integers(least, most, 2)
    return [int(v) for v in (rng.integers(-4, HEIGHT - 6), rng.integers(-4, WIDTH - 6), height, width)]


def moved(mask, pixels):
    dy, dx = rng.integers(-pixels, pixels + 1, 2)
    return np.roll(np.roll(mask, dy, 0), dx, 1)


def frame(number):
    """The image of ids, and predictions: label, mask, confidence."""
    ids = np.full((HEIGHT, WIDTH), 11, np.uint16)
    ids[HEIGHT // 2:] = 7
    ids[-5:], ids[:, :2] = 1, 3  # ego vehicle, out of roi
    numbers = {}

    def draw(label, mask):
        ids[mask] = label * 1000 + numbers.get(label, 0)
        numbers[label] = numbers.get(label, 0) + 1

    for _ in range(rng.integers(5, 10)):
        label = int(rng.choice([24, 24, 25, 26, 26, 26, 28, 29, 30, 32, 33, 33]))
        kind = str(rng.choice(["box", "disc", "frame"]))
        mask = shape(*place(5, 12) if rng.random() < 0.3 else place(14, 40), kind)
        if label in CLASSES and rng.random() < 0.2:
            ids[mask] = label  # a group
        else:
            draw(label, mask)
    if number % 2:
        ids[shape(*place(10, 30), "disc")] = 5  # void over objects
    if number == 0:
        draw(27, shape(2, 60, 15, 20))  # the only truck: nothing that counts is found of it
    found = []
    for value in np.unique(ids):
        label, mask = int(value) // 1000 or int(value), ids == value
        if value >= 1000 and label in (29, 30):
            found.append((26, mask, 0.5))  # a car on a caravan is a mistake
        elif label in CLASSES and label not in (27, 28):
            for _ in range(rng.integers(1, 3)):
                near = moved(mask, 1 if rng.random() < 0.6 else 4)
                other = int(rng.choice([24, 26, 33]))
                score = rng.random()
                found.append((label if rng.random() < 0.9 else other, near, round(score, 1 if rng.random() < 0.5 else 6)))
    found.append((int(rng.choice([24, 26, 31])), shape(*place(8, 30)), round(float(rng.random()) / 2, 2)))
    found.append((24, np.zeros((HEIGHT, WIDTH), bool), 0.99))  # empty: skipped
    found.append((7, shape(*place(8, 30)), 0.9))  # not evaluated: passed over
    if number == 0:
        found.append((27, shape(HEIGHT - 4, 10, 4, 30), 0.8))  # on the ego vehicle: ignored
    return ids, [found[i] for i in rng.permutation(len(found))]


def runs(values):
    """Value and length of each run, row by row."""
    values = values.ravel()
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
    lengths = np.diff(np.r_[starts, values.size])
    return [int(v) for pair in zip(values[starts], lengths) for v in pair]


def official(root, frames):
    import cityscapesscripts.evaluation.evalInstanceLevelSemanticLabeling as script
    source = inspect.getsource(script).split("# call the main method")[0]
    source = source.replace("if haveGt and havePred:", "if haveGt and havePred and len(y_score):")
    exec(compile(source, script.__file__, "exec"), script.__dict__)
    script.writeDict2JSON = lambda *_: None
    truth = []
    for name, ids, found in frames:
        city = name.split("_")[0]
        folder = f"{root}/gtFine/val/{city}"
        os.makedirs(folder, exist_ok=True)
        os.makedirs(f"{root}/results/masks", exist_ok=True)
        truth.append(f"{folder}/{name}_gtFine_instanceIds.png")
        Image.fromarray(ids).save(truth[-1])
        with open(f"{root}/results/{name}.txt", "w") as lines:
            for i, (label, mask, score) in enumerate(found):
                Image.fromarray(mask.astype(np.uint8) * 255).save(f"{root}/results/masks/{name}_{i}.png")
                lines.write(f"masks/{name}_{i}.png {label} {score}\n")
    args = script.args
    args.predictionPath, args.predictionWalk, args.JSONOutput, args.quiet = f"{root}/results", None, False, True
    args.gtInstancesFile = f"{root}/none.json"
    scores = script.evaluateImgLists([script.getPrediction(path, args) for path in truth], truth, args)
    clean = lambda value: None if np.isnan(value) else float(value)
    averages = scores["averages"]
    assert scores["instLabels"] == list(CLASSES.values())
    return {
        "matrix": [[clean(v) for v in line] for line in scores["resultApMatrix"][0]],
        "ap": clean(averages["allAp"]), "ap50": clean(averages["allAp50%"]),
        "classes": [[clean(averages["classes"][name][key]) for key in ("ap", "ap50%")] for name in CLASSES.values()],
    }


def coco(frames):
    def encoded(mask):
        code = rle.encode(np.asfortranarray(mask.astype(np.uint8)))
        return {"size": code["size"], "counts": code["counts"].decode()}

    images, annotations, results = [], [], []
    for image, (name, ids, found) in enumerate(frames, 1):
        images.append({"id": image, "height": HEIGHT, "width": WIDTH})
        for value in np.unique(ids):
            label = int(value) // 1000 or int(value)
            if label in CLASSES:
                code = encoded(ids == value)
                annotations.append({"id": len(annotations) + 1, "image_id": image, "category_id": label, "iscrowd": int(value < 1000),
                                    "area": float(rle.area(code)), "bbox": [float(v) for v in rle.toBbox(code)], "segmentation": code})
        results += [{"image_id": image, "category_id": label, "score": score, "segmentation": encoded(mask)}
                    for label, mask, score in found if label in CLASSES and mask.any()]
    truth = COCO()
    truth.dataset = {"info": {}, "images": images, "annotations": annotations,
                     "categories": [{"id": label, "name": name} for label, name in CLASSES.items()]}
    truth.createIndex()
    evaluation = COCOeval(truth, truth.loadRes(results), "segm")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return [float(v) for v in evaluation.stats]


drawn = [(f"{CITIES[i % 3]}_{i:06}_{19 + 5 * i:06}", *frame(i)) for i in range(8)]
drawn.sort(key=lambda one: one[0])
with contextlib.redirect_stdout(io.StringIO()), tempfile.TemporaryDirectory() as root:
    expected, stats = official(root, drawn), coco(drawn)
print(json.dumps({
    "height": HEIGHT, "width": WIDTH,
    "frames": [{"name": name, "ids": runs(ids), "predictions": [
        {"label": label, "score": score, "mask": runs(mask)} for label, mask, score in found]} for name, ids, found in drawn],
    "cityscapes": expected, "coco": stats,
}))
