"""Annotations with odd outlines, and pycocotools' AP of random detections on them.

    python tests/golden/coco_truth.py > tests/golden/coco_truth.json     (needs numpy 2.4.6 and pycocotools 2.0.11)

The test trains nothing: it loads the file as `data.val-annotations` with `on-bad-annotation = "skip"`, and the truth that a training
evaluates against must give the same AP. Where pycocotools raises (an outline that is empty, flat, or no outline at all), the object
is scored with an empty mask: it counts as missed.
"""
import contextlib
import copy
import io
import json

import numpy as np
from pycocotools import mask as runs
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

HEIGHT, WIDTH, BOUNDS = 30, 36, [60.0, 200.0]
rng = np.random.default_rng(13)


def whole(low, high):
    return int(rng.integers(low, high + 1))


def ellipse(cx, cy, rx, ry):
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    return np.asfortranarray((((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 <= 1).astype(np.uint8))


def packed(mask):
    made = runs.encode(mask)
    return {"size": made["size"], "counts": made["counts"].decode()}


def plain(mask, kind):
    flat = mask.flatten(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = [0] * int(flat[0]) + np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return {"size": [kind(HEIGHT), kind(WIDTH)], "counts": [kind(count) for count in counts]}


def polygon(cx, cy, rx, ry, corners=9):
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    points = np.stack([cx + rx * np.cos(angles), cy + ry * np.sin(angles)], 1).reshape(-1)
    return [round(float(value), 2) for value in points]


ODDITIES = {
    "polygon": lambda p: [polygon(*p)],
    "beyond the edge": lambda p: [polygon(p[0] * 2 - WIDTH / 2, p[1] * 2 - HEIGHT / 2, 2.5 * p[2], 2.5 * p[3])],
    "far outside": lambda p: [polygon(p[0] + 500, p[1], p[2], p[3])],
    "stray part of two corners": lambda p: [polygon(*p), [1.0, 1.0, 9.0, 9.0]],
    "stray part without corners": lambda p: [polygon(*p), []],
    "two parts": lambda p: [polygon(*p), polygon(p[0] + 3, p[1], p[2], p[3], 5)],
    "texts": lambda p: [[str(value) for value in polygon(*p)]],
    "odd number of values": lambda p: [polygon(*p) + [5.0]],
    "a line": lambda p: [[2, 2, 9, 2, 5, 2]],
    "packed runs": lambda p: packed(ellipse(*p)),
    "runs": lambda p: plain(ellipse(*p), int),
    "runs as floats": lambda p: plain(ellipse(*p), float),
    "runs in a list": lambda p: [plain(ellipse(*p), int)],
    "empty runs": lambda p: {"size": [HEIGHT, WIDTH], "counts": [HEIGHT * WIDTH]},
    "runs of another size": lambda p: {"size": [WIDTH, HEIGHT], "counts": [40, 200, HEIGHT * WIDTH - 240]},
    # pycocotools raises.
    "empty": lambda p: [],
    "an empty part": lambda p: [[]],
    "flat": lambda p: polygon(*p),
    "two corners": lambda p: [[1.0, 1.0, 9.0, 9.0]],
    "points": lambda p: [np.array(polygon(*p)).reshape(-1, 2).tolist()],
    "null": lambda p: None,
    "a text": lambda p: "none",
}


def drawn(annotation, images):
    """The annotation as pycocotools can score it; an object of which it cannot make a mask has an empty one."""
    annotation = dict(annotation)
    outline = annotation["segmentation"]
    coco = COCO()
    coco.imgs = images
    try:
        coco.annToMask(annotation)
    except Exception:
        annotation["segmentation"] = packed(np.zeros((HEIGHT, WIDTH), np.uint8, order="F"))
    assert outline is not None or annotation["segmentation"] is not None
    return annotation


images = [{"id": f"img-{i}", "height": HEIGHT, "width": WIDTH, "file_name": f"{i}.png"} for i in rng.permutation(14).tolist()]
annotations, detections, kinds = [], [], list(ODDITIES)
for index in range(140):
    place = np.array([whole(6, WIDTH - 6), whole(6, HEIGHT - 6), rng.uniform(3, 11), rng.uniform(3, 11)])
    kind, image, category = kinds[index % len(kinds)], images[whole(0, len(images) - 1)]["id"], whole(1, 3)
    annotations.append({
        "id": index + 1, "image_id": image, "category_id": category, "bbox": [0, 0, 1, 1],
        "iscrowd": int(rng.random() < 0.1), "area": float(np.round(np.pi * place[2] * place[3], 1)),
        "segmentation": ODDITIES[kind](place),
    })
    if kind == "beyond the edge":
        place = np.array([place[0] * 2 - WIDTH / 2, place[1] * 2 - HEIGHT / 2, 2.5 * place[2], 2.5 * place[3]])
    for _ in range(whole(0, 2)):
        near = ellipse(*(place + rng.normal(0, 0.4, 4)).clip(1))
        if near.any():
            detections.append({"image_id": image, "category_id": category, "score": float(np.float32(whole(1, 40) / 40)),
                               "segmentation": packed(near)})

truth = {"images": images, "categories": [{"id": k, "name": f"class {k}"} for k in (1, 2, 3)], "annotations": annotations}
scored = copy.deepcopy(truth)
scored["annotations"] = [drawn(annotation, {image["id"]: image for image in images}) for annotation in annotations]
with contextlib.redirect_stdout(io.StringIO()):
    reference = COCO()
    reference.dataset = scored
    reference.createIndex()
    evaluation = COCOeval(reference, reference.loadRes(copy.deepcopy(detections)), "segm")
    small, medium = BOUNDS
    evaluation.params.areaRng = [[0, 1e10], [0, small], [small, medium], [medium, 1e10]]
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
print(json.dumps({"area_bounds": BOUNDS, "height": HEIGHT, "width": WIDTH, "truth": truth, "detections": detections,
                  "stats": [float(value) for value in evaluation.stats[:6]]}))
