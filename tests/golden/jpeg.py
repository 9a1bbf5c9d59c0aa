"""JPEG files of every kind that a dataset holds, and their pixels as Pillow (libjpeg-turbo) decodes them, as PNG.

    pip install pillow numpy
    python tests/golden/jpeg.py
"""

import pathlib

import numpy as np
from PIL import Image, features

SEED = 20263
HEIGHT, WIDTH = 23, 37  # neither is a multiple of 8: the edges of the chroma planes count
FOLDER = pathlib.Path(__file__).parent / "jpeg"

KINDS = {
    "420": ("RGB", {"subsampling": 2}),
    "422": ("RGB", {"subsampling": 1}),
    "444": ("RGB", {"subsampling": 0}),
    "progressive": ("RGB", {"progressive": True}),
    "grey": ("L", {}),
    "cmyk": ("CMYK", {}),
}


def picture():
    """A gradient under blurred noise: coefficients of every frequency, colours at the ends of their range."""
    noise = np.random.default_rng(SEED).normal(0, 1, (HEIGHT + 2, WIDTH + 2, 3))
    noise = (noise[1:-1, 1:-1] + noise[:-2, 1:-1] + noise[1:-1, :-2]) * 60
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    ramp = np.stack([rows * 11, columns * 7, 255 - rows * 5 - columns * 3], axis=-1)
    return Image.fromarray(np.clip(ramp + noise, 0, 255).astype(np.uint8))


def main():
    assert features.check("libjpeg_turbo"), "Pillow's wheels hold libjpeg-turbo"
    FOLDER.mkdir(exist_ok=True)
    for name, (mode, options) in KINDS.items():
        path = FOLDER / f"{name}.jpg"
        picture().convert(mode).save(path, quality=80, **options)
        Image.open(path).convert("RGB").save(path.with_suffix(".png"), optimize=True)


if __name__ == "__main__":
    main()
