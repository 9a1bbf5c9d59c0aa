"""Draws JPEGs of COCO's size with their annotations, for `loader.sh`: `draw_pictures.py FOLDER`.

Smooth colours, grain as of a camera, and seven objects in 640 x 480 pixels, or 480 x 640 for a quarter of them; about 150 KB each, as
COCO's pictures.
"""

import json
import math
import random
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

PICTURES, OBJECTS, CORNERS, CLASSES = 160, 7, 22, 80


def polygon(width, height):
    x, y, radius = random.uniform(0, width), random.uniform(0, height), random.lognormvariate(math.log(55), 0.6)
    angles = [2 * math.pi * i / CORNERS for i in range(CORNERS)]
    radii = [radius * random.uniform(0.6, 1.0) for _ in angles]
    corners = [(x + r * math.cos(a), y + r * math.sin(a)) for a, r in zip(angles, radii)]
    return [(min(max(px, 0), width), min(max(py, 0), height)) for px, py in corners]


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    random.seed(1)
    noise = np.random.default_rng(1)
    images, annotations = [], []
    for number in range(1, PICTURES + 1):
        width, height = (480, 640) if number % 4 == 0 else (640, 480)
        smooth = Image.fromarray(noise.integers(0, 256, (12, 16, 3), dtype=np.uint8))
        picture = smooth.resize((width, height), Image.Resampling.BICUBIC)
        draw = ImageDraw.Draw(picture)
        for _ in range(OBJECTS):
            corners = polygon(width, height)
            draw.polygon(corners, fill=tuple(random.randrange(256) for _ in range(3)))
            flat = [round(value, 2) for corner in corners for value in corner]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": random.randint(1, CLASSES),
                    "iscrowd": 0,
                    "segmentation": [flat],
                }
            )
        grain = noise.normal(0, 9, (height, width, 3))
        pixels = np.clip(np.asarray(picture) + grain, 0, 255).astype(np.uint8)
        name = f"{number:06}.jpg"
        Image.fromarray(pixels).save(folder / name, quality=90)
        images.append({"id": number, "file_name": name, "width": width, "height": height})
    categories = [{"id": number, "name": f"class {number}"} for number in range(1, CLASSES + 1)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "instances.json").write_text(json.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    main()
