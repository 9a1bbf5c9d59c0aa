"""Random pairs of COCO annotations and results, scored by pycocotools 2.0.11 (needs numpy 2.4.6).

    python tests/golden/coco_eval.py                          writes the committed pairs: tests/golden/coco_eval.json
    python tests/golden/coco_eval.py --against target/release/harness --seeds 0 2000
                                                              compares `harness eval` on new pairs, every bit of all 24 numbers

A pair draws its oddities from its seed: crowds, tied scores, images without annotations or detections, categories without
either, categories and images that are not listed, more than 100 detections, ids from 0, text ids, ids that occur twice, areas on
the bounds of the size ranges, polygons (of several parts, out of the image, of two corners), both kinds of runs, empty masks, boxes of no or negative size, detections with masks, boxes or both.
"""
import argparse
import contextlib
import io
import json
import math
import pathlib
import subprocess
import tempfile

import numpy as np
from pycocotools import mask as runs
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

HERE = pathlib.Path(__file__).parent
NAMES = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]
# The committed pairs, by seed and whether they are of the smallest kind: together every oddity of the list above.
COMMITTED = [(seed, True) for seed in range(100, 140)] + [(seed, False) for seed in range(200, 206)]


class Draw:
    def __init__(self, seed, small):
        self.rng = np.random.default_rng(seed)
        self.small = small

    def chance(self, p):
        return bool(self.rng.random() < p)

    def whole(self, low, high):
        """From low to high, both included."""
        return int(self.rng.integers(low, high + 1))

    def pick(self, values):
        return values[self.whole(0, len(values) - 1)]

    def pair(self):
        text_ids = self.chance(0.1)
        name = (lambda number: f"image {number}") if text_ids else (lambda number: number)
        sides = (6, 40) if self.small else self.pick([(6, 40), (30, 120), (90, 220)])
        images = [{"id": name(int(i)), "height": self.whole(*sides), "width": self.whole(*sides)}
                  for i in self.rng.choice(500, self.whole(1, 3 if self.small else 8), replace=False)]
        categories = [{"id": int(i), "name": f"category {i}"} for i in self.rng.choice(90, self.whole(1, 4), replace=False)]
        annotations, places = [], []
        for image in images:
            for _ in range(0 if self.chance(0.15) else self.whole(0, 3 if self.small else 6)):
                place = self.place(image)
                category = self.pick(categories)["id"]
                annotations.append(self.annotation(image, category, place))
                places.append((image, category, place))
        first = self.pick([0, 1, 1, 7])
        ids = [int(i) for i in (self.rng.permutation(len(annotations)) if self.chance(0.3) else np.arange(len(annotations)))]
        for annotation, number in zip(annotations, ids):
            annotation["id"] = first + number
        if len(annotations) > 1 and self.chance(0.1):
            self.pick(annotations)["id"] = self.pick(annotations)["id"]
        if annotations and self.chance(0.15):
            lost = dict(self.pick(annotations), id=9000)
            lost.update({"category_id": 999} if self.chance(0.5) else {"image_id": name(999)})
            annotations.insert(self.whole(0, len(annotations)), lost)
        detections = self.detections(images, categories, places)
        return {"images": images, "categories": categories, "annotations": annotations}, detections

    def place(self, image):
        height, width = image["height"], image["width"]
        return np.array([self.rng.uniform(0, width), self.rng.uniform(0, height),
                         self.rng.uniform(1, 0.6 * width), self.rng.uniform(1, 0.6 * height)])

    def ellipse(self, image, place):
        y, x = np.mgrid[0:image["height"], 0:image["width"]] + 0.5
        cx, cy, rx, ry = place
        return np.asfortranarray((((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 <= 1).astype(np.uint8))

    def polygon(self, place, corners, digits):
        angles = np.sort(self.rng.uniform(0, 2 * math.pi, corners))
        cx, cy, rx, ry = place
        points = np.stack([cx + rx * np.cos(angles), cy + ry * np.sin(angles)], 1).reshape(-1)
        return [round(float(v), digits) for v in points]

    def outline(self, image, place, kinds):
        kind = self.pick(kinds)
        if kind == "polygon":
            parts = 1 if self.chance(0.7) else self.whole(2, 3)
            digits = self.pick([0, 1, 2, 6])
            return [self.polygon(place + self.rng.normal(0, 2, 4) * (part > 0), self.whole(2 if part else 3, 9), digits)
                    for part in range(parts)]
        mask = self.ellipse(image, place if self.chance(0.95) else np.array([-99.0, -99.0, 1.0, 1.0]))
        packed = runs.encode(mask)
        if kind == "packed":
            return {"size": packed["size"], "counts": packed["counts"].decode()}
        flat = mask.flatten(order="F")
        counts, value = [], 0
        edges = np.flatnonzero(np.diff(flat)) + 1
        lengths = np.diff(np.concatenate([[0], edges, [flat.size]]))
        if flat[0] == 1:
            counts.append(0)
        counts.extend(int(v) for v in lengths)
        return {"size": [image["height"], image["width"]], "counts": counts}

    def box(self, place):
        cx, cy, rx, ry = place
        digits = self.pick([0, 1, 2, 9])
        return [round(float(v), digits) for v in [cx - rx, cy - ry, 2 * rx, 2 * ry]]

    def annotation(self, image, category, place):
        crowd = self.chance(0.2)
        kinds = ["packed", "plain"] if crowd else ["packed", "plain", "polygon", "polygon", "polygon"]
        area = self.pick([float(math.pi * place[2] * place[3]), 1024, 1024.5, 9216, 9215.9, 0, 3e3, 2e4])
        return {"id": 0, "image_id": image["id"], "category_id": category, "iscrowd": self.pick([int(crowd), crowd]),
                "area": area, "bbox": self.box(place), "segmentation": self.outline(image, place, kinds)}

    def detections(self, images, categories, places):
        with_masks, with_boxes = self.pick([(True, False), (True, False), (True, True), (False, True)])
        kinds = ["packed", "packed", "plain", "polygon"] if with_boxes else ["packed"]
        steps = self.pick([2, 5, 1000])
        found = []

        def add(image, category, place):
            score = self.whole(0, steps) / steps
            score = self.pick([score] * 8 + [-score, int(score)])
            entry = {"image_id": image["id"], "category_id": category, "score": score}
            if with_masks:
                entry["segmentation"] = self.outline(image, place, kinds)
            if with_boxes:
                entry["bbox"] = self.pick([self.box(place)] * 9 + [[1.0, 1.0, 0.0, 3.0], [5.0, 5.0, -2.0, 3.0]])
            found.append(entry)

        for image, category, place in places:
            for _ in range(self.whole(0, 3)):
                near = place + self.rng.normal(0, 1, 4) * self.pick([0.0, 0.3, 2.0])
                near[2:] = near[2:].clip(0.6)
                other = self.pick(categories)["id"] if self.chance(0.2) else category
                add(image, 777 if self.chance(0.03) else other, near)
        if self.chance(0.2):
            image, category = self.pick(images), self.pick(categories)["id"]
            for _ in range(3 if self.small else self.whole(90, 130)):
                add(image, category, self.place(image))
        order = self.rng.permutation(len(found))
        found = [found[i] for i in order]
        return found


def score(truth_file, found_file):
    numbers = {}
    for kind in ["segm", "bbox"]:
        with contextlib.redirect_stdout(io.StringIO()):
            truth = COCO(str(truth_file))
            evaluation = COCOeval(truth, truth.loadRes(str(found_file)), kind)
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        numbers[kind] = [float(v) for v in evaluation.stats]
    return numbers


def write(folder, truth, found):
    files = folder / "gt.json", folder / "dt.json"
    for file, content in zip(files, (truth, found)):
        file.write_text(json.dumps(content))
    return files


def commit(folder):
    cases = []
    for seed, small in COMMITTED:
        truth, found = Draw(seed, small).pair()
        if not found:
            continue
        cases.append({"seed": seed, "gt": truth, "dt": found, "expected": score(*write(folder, truth, found))})
    text = ",\n".join(json.dumps(case) for case in cases)
    (HERE / "coco_eval.json").write_text(f"[\n{text}\n]\n")


def compare(folder, harness, seeds):
    equal, unscored, odd = 0, {}, []
    for seed in seeds:
        truth, found = Draw(seed, small=False).pair()
        files = write(folder, truth, found)
        try:
            expected = score(*files)
        except Exception as error:  # pycocotools gives no numbers: nothing to compare
            unscored[repr(error)[:60]] = unscored.get(repr(error)[:60], 0) + 1
            continue
        table = folder / "scores.csv"
        table.unlink(missing_ok=True)
        done = subprocess.run([harness, "eval", "--gt", files[0], "--dt", files[1], "--csv", table], capture_output=True, text=True)
        if done.returncode != 0:
            odd.append((seed, done.stderr.strip()))
            continue
        rows = [line.split(",") for line in table.read_text().splitlines()[1:]]
        got = {(kind, name): float(value) for kind, name, value in rows}
        wrong = [(kind, name, got[kind, name], value) for kind in expected for name, value in zip(NAMES, expected[kind])
                 if got[kind, name] != value]
        if wrong:
            odd.append((seed, wrong))
        else:
            equal += 1
    print(f"{equal} pairs with 24 equal numbers, {len(odd)} others, without numbers of pycocotools: {unscored}")
    for seed, what in odd[:20]:
        print(seed, what)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--against")
    parser.add_argument("--seeds", type=int, nargs=2, default=[0, 1000])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if arguments.against:
            compare(pathlib.Path(name), arguments.against, range(*arguments.seeds))
        else:
            commit(pathlib.Path(name))
