"""Draws frames of 1024 x 2048 pixels with objects, in Cityscapes' layout: six to train on, two to evaluate.

    python3 benches/cityscapes/frames.py FOLDER        needs numpy and Pillow
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

HEIGHT, WIDTH, CELL = 1024, 2048, 32
# Cityscapes' ids: road, and the eight classes with instances, some twice.
ROAD, OBJECTS = 7, (24, 25, 26, 27, 28, 31, 32, 33, 26, 26, 24, 24)


def draw(rng):
    """A picture of coloured cells with one coloured box for each object, and its instance ids."""
    cells = rng.integers(0, 256, (HEIGHT // CELL, WIDTH // CELL, 3), dtype=np.uint8)
    picture = np.kron(cells, np.ones((CELL, CELL, 1), np.uint8))
    ids = np.full((HEIGHT, WIDTH), ROAD, np.uint16)
    for number, label in enumerate(OBJECTS):
        y, x = rng.integers(0, 800), rng.integers(0, 1700)
        box = np.s_[y : y + rng.integers(60, 220), x : x + rng.integers(60, 330)]
        ids[box] = label * 1000 + number
        picture[box] = rng.integers(0, 256, 3)
    return picture, ids


root, rng = Path(sys.argv[1]), np.random.default_rng(0)
for split, city, count in (("train", "ulm", 6), ("val", "frankfurt", 2)):
    for number in range(count):
        name = f"{city}_{number:06d}_000019"
        for image, kind, end in zip(draw(rng), ("leftImg8bit", "gtFine"), ("leftImg8bit", "gtFine_instanceIds")):
            folder = root / kind / split / city
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / f"{name}_{end}.png")
