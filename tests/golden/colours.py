"""Pillow's colour operations on small pictures, for src/data/augment/pillow.rs: writes colours.json beside it."""

import json
import pathlib

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

FACTORS = [0.1, 0.64, 1.18, 1.72]
# So many pixels equalize needs; of larger pictures only that is written down.
LARGE = 300


def pictures():
    random = np.random.default_rng(20267)
    # All levels; a narrow range; one channel constant; a gradient. Then pictures for equalize: few levels, a gradient.
    yield random.integers(0, 256, (11, 13, 3))
    yield random.integers(90, 131, (12, 7, 3))
    flat = random.integers(20, 240, (9, 10, 3))
    flat[:, :, 1] = 77
    yield flat
    rows, columns = np.mgrid[0:10, 0:12]
    yield np.stack([rows * 25, columns * 20, (rows * columns * 3) % 256], axis=2)
    yield random.choice([3, 60, 61, 200], (25, 31, 3), p=[0.1, 0.2, 0.3, 0.4])
    rows, columns = np.mgrid[0:30, 0:33]
    yield np.stack([rows * 8, columns * 7, (rows * columns) % 256], axis=2)


def results(picture):
    yield "autocontrast", 0, ImageOps.autocontrast(picture)
    yield "equalize", 0, ImageOps.equalize(picture)
    if picture.width * picture.height > LARGE:
        return
    for threshold in [26, 128, 231]:
        yield "solarize", threshold, ImageOps.solarize(picture, threshold)
    for bits in [1, 2, 3, 4]:
        yield "posterize", bits, ImageOps.posterize(picture, bits)
    for name, kind in [
        ("colour", ImageEnhance.Color),
        ("contrast", ImageEnhance.Contrast),
        ("brightness", ImageEnhance.Brightness),
        ("sharpness", ImageEnhance.Sharpness),
    ]:
        for factor in FACTORS:
            yield name, factor, kind(picture).enhance(factor)


def main():
    golden = []
    for values in pictures():
        values = values.astype(np.uint8)
        picture = Image.fromarray(values)
        golden.append(
            {
                "height": values.shape[0],
                "width": values.shape[1],
                "pixels": picture.tobytes().hex(),
                "results": [[name, amount, result.tobytes().hex()] for name, amount, result in results(picture)],
            }
        )
    path = pathlib.Path(__file__).with_name("colours.json")
    path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")


main()
