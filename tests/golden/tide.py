"""TIDE's errors of small masks, by the reference implementation, for tests/golden/tide.json.

    pip install tidecv==1.0.1 numpy==2.3.5
    python tests/golden/tide.py > tests/golden/tide.json

It draws rectangles as objects, and detections that are right, moved, of a wrong class, double or on nothing. Scores are
distinct, so their order is one.
"""

import json
import pathlib
import random
import tempfile

import numpy as np
from pycocotools import mask as masks
from tidecv import TIDE, datasets

SIZE, IMAGES, CLASSES = 40, 12, 4


def encoded(top, left, height, width):
    pixels = np.zeros((SIZE, SIZE), dtype=np.uint8, order="F")
    pixels[max(top, 0) : top + height, max(left, 0) : left + width] = 1
    runs = masks.encode(pixels)
    return {"size": runs["size"], "counts": runs["counts"].decode()}


def main():
    draw = random.Random(7)
    images, annotations, detections = [], [], []
    scores = iter(draw.sample(range(1, 10_000), 1000))

    def detect(image, category, *box):
        runs = encoded(*box)
        if masks.area(runs) == 0:
            return
        bbox = [float(value) for value in masks.toBbox(runs)]
        score = next(scores) / 10_000
        detections.append({"image_id": image, "category_id": category, "score": score, "bbox": bbox, "segmentation": runs})

    for image in range(1, IMAGES + 1):
        images.append({"id": image, "file_name": f"{image}.png", "width": SIZE, "height": SIZE})
        for _ in range(draw.randint(2, 5)):
            box = [draw.randint(0, 25), draw.randint(0, 25), draw.randint(6, 14), draw.randint(6, 14)]
            category = draw.randint(1, CLASSES)
            runs = encoded(*box)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": category,
                    "iscrowd": 0,
                    "area": float(masks.area(runs)),
                    "bbox": [float(value) for value in masks.toBbox(runs)],
                    "segmentation": runs,
                }
            )
            top, left, height, width = box
            other = category % CLASSES + 1
            kind = draw.random()
            if kind < 0.45:
                detect(image, category, top, left + 1, height, width)
            if 0.3 < kind < 0.5:
                detect(image, category, top + 1, left, height, width)
            if 0.5 < kind < 0.65:
                detect(image, category, top + height // 2, left, height, width)
            if 0.6 < kind < 0.8:
                detect(image, other, top, left, height, width + 1)
            if 0.75 < kind < 0.9:
                detect(image, other, top + height // 2, left + 1, height, width)
            if draw.random() < 0.3:
                detect(image, draw.randint(1, CLASSES), draw.randint(0, 30), draw.randint(0, 30), 5, 5)
    categories = [{"id": number, "name": f"class {number}"} for number in range(1, CLASSES + 1)]
    truth = {"images": images, "annotations": annotations, "categories": categories}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "truth.json").write_text(json.dumps(truth))
        (folder / "found.json").write_text(json.dumps(detections))
        tide = TIDE(pos_threshold=0.5, background_threshold=0.1, mode=TIDE.MASK)
        run = tide.evaluate(datasets.COCO(str(folder / "truth.json")), datasets.COCOResult(str(folder / "found.json")))
    errors = tide.get_all_errors()
    name = run.preds.name
    names = {"FalsePos": "FP", "FalseNeg": "FN"}
    deltas = dict(errors["main"][name]) | {names[kind]: value for kind, value in errors["special"][name].items()}
    golden = {"truth": truth, "detections": detections, "ap": float(run.ap), "deltas": {k: float(v) for k, v in deltas.items()}}
    print(json.dumps(golden))


if __name__ == "__main__":
    main()
