"""Golden values of the COCO metric: random annotations and detections, scored by pycocotools.

Run: python tests/golden/coco_ap.py > tests/golden/coco_ap.json     (needs numpy and pycocotools 2.0.11)
"""
import contextlib
import io
import json

import numpy as np
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

CLASSES, IMAGES, HEIGHT, WIDTH, AREA_BOUNDS = 4, 12, 24, 30, [40.0, 120.0]
rng = np.random.default_rng(7)


def ellipse(cx, cy, rx, ry):
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    return (((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 <= 1).astype(np.uint8)


def encode(mask):
    runs = rle.encode(np.asfortranarray(mask))
    return {"size": runs["size"], "counts": runs["counts"].decode()}


images = [{"id": 10 + 3 * i, "height": HEIGHT, "width": WIDTH} for i in range(IMAGES)]
annotations, detections = [], []
for image in images:
    for _ in range(rng.integers(1, 5)):
        place = np.array([rng.uniform(4, WIDTH - 4), rng.uniform(4, HEIGHT - 4), rng.uniform(2.5, 8), rng.uniform(2.5, 8)])
        mask = ellipse(*place)
        category = int(rng.integers(1, CLASSES))  # the last class has detections but no annotation
        annotations.append({
            "id": len(annotations) + 1, "image_id": image["id"], "category_id": category,
            "iscrowd": int(rng.random() < 0.15), "segmentation": encode(mask),
            # Not the pixel count: the size range is decided by this field.
            "area": round(float(mask.sum()) * float(rng.uniform(0.9, 1.1)), 2),
            "bbox": [float(v) for v in rle.toBbox(rle.encode(np.asfortranarray(mask)))],
        })
        for _ in range(rng.integers(0, 4)):
            near = ellipse(*(place + rng.normal(0, 0.6, 4)).clip(1.5))
            detections.append({
                "image_id": image["id"], "category_id": category if rng.random() < 0.8 else int(rng.integers(1, CLASSES + 1)),
                "score": float(np.float32(rng.integers(1, 20) / 20)), "segmentation": encode(near),
            })

truth = COCO()
truth.dataset = {
    "info": {}, "images": images, "annotations": annotations,
    "categories": [{"id": k + 1, "name": f"class {k}"} for k in range(CLASSES)],
}
with contextlib.redirect_stdout(io.StringIO()):
    truth.createIndex()
    found = truth.loadRes([dict(d) for d in detections])
    evaluation = COCOeval(truth, found, "segm")
    small, medium = AREA_BOUNDS
    evaluation.params.areaRng = [[0, 1e10], [0, small], [small, medium], [medium, 1e10]]
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
precision = evaluation.eval["precision"][:, :, :, 0, 2]
per_class = [float(p[p > -1].mean()) if (p > -1).any() else -1.0 for p in precision.transpose(2, 0, 1)]
print(json.dumps({
    "area_bounds": AREA_BOUNDS, "images": images, "annotations": annotations, "detections": detections,
    "stats": [float(v) for v in evaluation.stats[:6]], "per_class": per_class,
}))
