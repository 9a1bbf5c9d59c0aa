"""The embedded dataset's kind of picture, drawn with NumPy: what the peer trains on.

The same sizes and counts as `src/data/scenes` (64 x 64 pixels, 2 to 5 objects of 10 classes in 5 confusable pairs), not the
same bits: the pictures only have to cost the network, the matcher and the losses the same.
"""

import numpy as np

SIZE = 64
CLASSES = 10
MAX_OBJECTS = 5
# disc, rectangle, 5-star, plus, striped and chequered rectangle, ring, bullseye, triangle, tee
HUES = (0.0, 0.09, 0.36, 0.45, 0.60, 0.69, 0.17, 0.26, 0.82, 0.91)
ZIPF_RANKS = np.array([1, 6, 2, 7, 3, 8, 4, 9, 5, 10])
ZIPF_EXPONENT = 0.8
MIN_VISIBLE = 20


def rgb(hue, saturation, value):
    k = (np.array([5, 3, 1]) + hue * 6) % 6
    return value - value * saturation * np.clip(np.minimum(k, 4 - k), 0, 1)


def inside(kind, u, v):
    """Signed distance-like function of a class in local coordinates: at most 0 inside."""
    radius = np.hypot(u, v)
    if kind == 2:  # a star: distance to the edge between a tip and the next notch
        tips, notch = 5, 0.45
        angle = np.abs((np.arctan2(v, u) + np.pi / tips) % (2 * np.pi / tips) - np.pi / tips)
        dx, dy = notch * np.cos(np.pi / tips) - 1, notch * np.sin(np.pi / tips)
        return ((radius * np.cos(angle) - 1) * dy - radius * np.sin(angle) * dx) / np.hypot(dx, dy)
    if kind == 3:
        bars = (np.maximum(np.abs(u) - 1, np.abs(v) - 0.34), np.maximum(np.abs(u) - 0.34, np.abs(v) - 1))
        return np.minimum(*bars)
    if kind in (1, 4, 5):
        return np.maximum(np.abs(u), np.abs(v)) - 0.85
    if kind == 6:
        return np.abs(radius - 0.72) - 0.28
    if kind == 8:
        return np.maximum(v - 0.6, np.abs(u) * 0.866 - v * 0.5 - 0.6)
    if kind == 9:
        bar = np.maximum(np.abs(u) - 1, np.abs(v + 0.67) - 0.33)
        return np.minimum(bar, np.maximum(np.abs(u) - 0.32, np.abs(v) - 1))
    return radius - 1


def texture(kind, u, v, radius, period):
    if kind == 4:
        return np.floor(v * radius / period * 2) % 2
    if kind == 5:
        return (np.floor(u * radius / period * 2) + np.floor(v * radius / period * 2)) % 2
    if kind == 7:
        return (np.hypot(u, v) < 0.5) * 1.0
    return np.zeros_like(u)


def draw(rng, probabilities):
    """One picture: RGB [64, 64, 3], classes, visible masks."""
    rows, columns = np.mgrid[0:SIZE, 0:SIZE] + 0.5
    image = np.full((SIZE, SIZE, 3), rng.uniform(0.3, 0.7)) + 0.08 * rng.uniform(-1, 1, 3)
    wave = rng.uniform(0.1, 0.4, (4, 2))
    for row, column in wave:  # a soft background
        image += 0.08 * np.sin(row * rows + column * columns + rng.uniform(0, 6))[..., None]
    classes, masks, areas = [], [], []
    for _ in range(rng.integers(2, MAX_OBJECTS + 1)):
        kind = int(rng.choice(CLASSES, p=probabilities))
        radius = np.exp(rng.uniform(np.log(6), np.log(16)))
        x, y = rng.uniform(0.5 * radius, SIZE - 0.5 * radius, 2)
        turn, aspect = rng.uniform(0, 2 * np.pi), np.exp(rng.uniform(-0.25, 0.25))
        u = ((columns - x) * np.cos(turn) + (rows - y) * np.sin(turn)) / (radius * aspect)
        v = ((rows - y) * np.cos(turn) - (columns - x) * np.sin(turn)) / (radius / aspect)
        distance = inside(kind, u, v) * radius
        colour = rgb((HUES[kind] + rng.normal(0, 0.03)) % 1, rng.uniform(0.5, 1), rng.uniform(0.45, 1))
        second = colour * 0.45 if colour.mean() > 0.45 else colour + 0.55 * (1 - colour)
        pattern = texture(kind, u, v, radius, rng.uniform(5, 8))[..., None]
        alpha = np.clip(0.5 - distance / rng.uniform(0.5, 2), 0, 1)[..., None]
        image = image * (1 - alpha) + alpha * (colour + (second - colour) * pattern)
        masks = [mask & ~(distance <= 0) for mask in masks] + [distance <= 0]
        areas.append((distance <= 0).sum())
        classes.append(kind)
    image += rng.normal(0, 1, image.shape) * rng.uniform(0.02, 0.06)
    kept = [i for i, mask in enumerate(masks) if mask.sum() >= max(MIN_VISIBLE, 0.25 * areas[i])]
    return image, [classes[i] for i in kept], [masks[i] for i in kept]


def draw_set(count, seed):
    """Pictures uint8 [n, 3, 64, 64], classes [n, 5] (-1: none), masks uint8 [n, 5, 64, 64]."""
    rng = np.random.default_rng(seed)
    probabilities = ZIPF_RANKS ** -ZIPF_EXPONENT / (ZIPF_RANKS ** -ZIPF_EXPONENT).sum()
    pictures = np.zeros((count, SIZE, SIZE, 3), np.uint8)
    classes = -np.ones((count, MAX_OBJECTS), np.int64)
    masks = np.zeros((count, MAX_OBJECTS, SIZE, SIZE), np.uint8)
    done = 0
    while done < count:
        picture, kinds, shapes = draw(rng, probabilities)
        if not kinds:
            continue
        pictures[done] = (picture.clip(0, 1) * 255).astype(np.uint8)
        classes[done, : len(kinds)] = kinds
        masks[done, : len(kinds)] = np.array(shapes)
        done += 1
    return pictures.transpose(0, 3, 1, 2).copy(), classes, masks
