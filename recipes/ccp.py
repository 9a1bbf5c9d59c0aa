#!/usr/bin/env python3
"""Clothing Co-Parsing as COCO files of 128 x 256 pixels, for recipes/ccp.toml.

    git clone https://github.com/bearpaw/clothing-co-parsing
    pip install numpy scipy pillow pycocotools
    python3 recipes/ccp.py clothing-co-parsing data/ccp

Source: Yang, Luo, Lin, "Clothing Co-Parsing by Joint Image Segmentation and Labeling", CVPR 2014; the repository above at commit
fe34fb7, licence Apache 2.0. Of its 2,098 street-fashion photographs 1,004 have a label for every pixel.

What it writes:
- images/ and unlabelled/: the middle columns of every photograph, half as wide as high, shrunk to 128 x 256.
- annotations/instances_{train,val}_{fine,coarse}.json: 26 classes of clothing, and the same in 13 groups. 250 photographs are val.
- annotations/image_info_unlabeled.json: the photographs without labels.
- annotations/instances_{fit,choice}_{fine,coarse}.json: train in two parts, of 604 and of 150 photographs, for choosing settings.

An object is one class of one photograph with all its parts, because a bag may cut a coat in two. Footwear and socks are counted by
connected piece. Pieces below 8 pixels and objects below 12 are dropped as noise of the annotation.

At the end the annotations are compared with the SHA-256 of those that results/published/ccp was computed from. Exit code 1: they differ.
"""

import hashlib
import json
import random
import sys
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image
from pycocotools import mask as coco_mask
from scipy import ndimage

HEIGHT = 256
SMALLEST_PIECE, SMALLEST_OBJECT = 8, 12
VAL_PHOTOGRAPHS, CHOICE_PHOTOGRAPHS, SEED = 250, 150, 2014

# Class -> labels of the source. The other labels, such as skin and jewellery, are background.
FINE = {
    "hair": ["hair"],
    "shoes": ["shoes", "heels", "pumps", "flats", "loafers", "sneakers", "clogs", "wedges"],
    "bag": ["bag", "purse", "wallet"],
    "pants": ["pants"],
    "glasses": ["sunglasses", "glasses"],
    "dress": ["dress", "romper", "bodysuit"],
    "coat": ["coat", "cape"],
    "blouse": ["blouse"],
    "sweater": ["sweater", "sweatshirt", "jumper", "hoodie", "cardigan"],
    "belt": ["belt"],
    "shirt": ["shirt"],
    "skirt": ["skirt"],
    "jeans": ["jeans"],
    "stockings": ["stockings", "tights", "leggings"],
    "hat": ["hat"],
    "t-shirt": ["t-shirt"],
    "blazer": ["blazer"],
    "suit": ["suit"],
    "scarf": ["scarf"],
    "jacket": ["jacket"],
    "sandals": ["sandals"],
    "socks": ["socks"],
    "shorts": ["shorts"],
    "vest": ["vest"],
    "boots": ["boots"],
    "top": ["top"],
}
COARSE = {
    "hair": ["hair"],
    "footwear": ["shoes", "sandals", "boots"],
    "bag": ["bag"],
    "trousers": ["pants", "jeans"],
    "glasses": ["glasses"],
    "dress": ["dress"],
    "outerwear": ["coat", "blazer", "suit", "jacket"],
    "upper": ["blouse", "shirt", "t-shirt", "top", "sweater", "vest"],
    "belt": ["belt"],
    "skirt": ["skirt", "shorts"],
    "stockings": ["stockings", "socks"],
    "hat": ["hat"],
    "scarf": ["scarf"],
}
COUNTED_BY_PIECE = {"shoes", "sandals", "boots", "socks"}

GROUP = {fine: group for group, members in COARSE.items() for fine in members}
CATEGORIES = {
    "fine": [{"id": i + 1, "name": name, "supercategory": GROUP[name]} for i, name in enumerate(FINE)],
    "coarse": [{"id": i + 1, "name": name, "supercategory": "clothing"} for i, name in enumerate(COARSE)],
}
SHA256 = {
    "image_info_unlabeled.json": "e501fcf8aa9f6905120692ed60b55e7a0328665b929742c237bc66fc77aa3c82",
    "instances_choice_coarse.json": "cc22f3ecfa72455c3f364c22f5e704538c17f07016015b3aa230dd1f26ece526",
    "instances_choice_fine.json": "aeb58217d36b469843297aef8b60a4281d2a8b64a2f23912c7039ad0bf690642",
    "instances_fit_coarse.json": "5fec5a7f3551ae75ac0f7c047b3b57c3f62dec398bd85d6d5ba66d117cf5da8f",
    "instances_fit_fine.json": "c0f2b24d1e8254f183c1290674be90c375e955c1f6c86f8edfed72298b0d4ad7",
    "instances_train_coarse.json": "2c10005dc690eb6bb1d54590dd9c3e3b2547d6219afdd899874a3a9e2ca8c404",
    "instances_train_fine.json": "b2f0d26ff7e19acd95b5c9168e61530cef30226a92d62766077b9549c2d0eaff",
    "instances_val_coarse.json": "373f68f4ae051797b2673a11f653898c5e6c4bffb44b89b7c8cf9b243ae6b2d1",
    "instances_val_fine.json": "8cea6aad4e300a5ef9f3a0948d2731139ed51eac9179a74ae7819bc87afe34eb",
}
INFO = {
    "description": "Clothing Co-Parsing, longer side 256",
    "version": "1.1: central columns, height / 2 wide",
    "url": "https://github.com/bearpaw/clothing-co-parsing",
}
NEIGHBOURS = np.ones((3, 3))


def middle(width, height):
    """First column and number of the columns that stay."""
    columns = min(width, height // 2)
    return (width - columns) // 2, columns


def shrink_labels(labels, size):
    """Every pixel takes the label that covers most of its area."""
    present = np.unique(labels)
    shares = [Image.fromarray(((labels == label) * 255).astype("uint8")).resize(size, Image.BOX) for label in present]
    return present[np.argmax(np.stack([np.asarray(share).astype(np.int32) for share in shares]), axis=0)]


def pieces(mask):
    found, count = ndimage.label(mask, NEIGHBOURS)
    return [found == piece for piece in range(1, count + 1)]


def objects(labels, names):
    """(class, mask) of each object, in the order of the labels' numbers."""
    masks = {}
    class_of = {label: name for name, members in FINE.items() for label in members}
    for label in np.unique(labels):
        name = class_of.get(names[label])
        if name:
            masks[name] = masks.get(name, False) | (labels == label)
    for name, whole in masks.items():
        for mask in pieces(whole) if name in COUNTED_BY_PIECE else [whole]:
            kept = [piece for piece in pieces(mask) if piece.sum() >= SMALLEST_PIECE]
            mask = np.any(kept, axis=0) if kept else np.zeros_like(mask)
            if mask.sum() >= SMALLEST_OBJECT:
                yield name, mask


def annotation(image, name, mask):
    encoded = coco_mask.encode(np.asfortranarray(mask.astype("uint8")))
    return {
        "image_id": image["id"],
        "category": name,
        "area": int(mask.sum()),
        "bbox": [float(side) for side in coco_mask.toBbox(encoded)],
        "iscrowd": 0,
        "segmentation": {"size": list(mask.shape), "counts": encoded["counts"].decode()},
    }


def convert(path, source, names, out):
    """The entry of a photograph, and its annotations or None."""
    photograph = Image.open(path).convert("RGB")
    first, columns = middle(*photograph.size)
    scale = HEIGHT / max(columns, photograph.height)
    size = max(1, round(columns * scale)), max(1, round(photograph.height * scale))
    image = {"id": int(path.stem), "file_name": path.name, "width": size[0], "height": size[1]}
    truth = source / "annotations" / "pixel-level" / f"{path.stem}.mat"
    folder = out / ("images" if truth.exists() else "unlabelled")
    cropped = photograph.crop((first, 0, first + columns, photograph.height))
    cropped.resize(size, Image.LANCZOS).save(folder / path.name, quality=88)
    if not truth.exists():
        return image, None
    labels = scipy.io.loadmat(truth)["groundtruth"]
    if labels.shape != (photograph.height, photograph.width):
        sys.exit(f"{truth}: the labels are {labels.shape}, the photograph {photograph.height} x {photograph.width}")
    small = shrink_labels(labels[:, first : first + columns], size)
    return image, [annotation(image, name, mask) for name, mask in objects(small, names)]


def write(path, images, annotations, level):
    numbers = {category["name"]: category["id"] for category in CATEGORIES[level]}
    listed = []
    for one in annotations:
        entry = dict(one)
        name = entry.pop("category")
        listed.append(entry | {"category_id": numbers[name if level == "fine" else GROUP[name]], "id": len(listed) + 1})
    info = INFO if annotations else {"description": "CCP photos without pixel labels"}
    content = {"info": info, "licenses": [], "categories": CATEGORIES[level], "images": images, "annotations": listed}
    path.write_text(json.dumps(content, separators=(",", ":")))
    print(f"{path}: {len(images)} photographs, {len(listed)} objects")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    source, out = Path(sys.argv[1]), Path(sys.argv[2])
    photographs = sorted((source / "photos").glob("*.jpg"))
    if not photographs:
        sys.exit(f"{source / 'photos'}: no photographs; the first argument is a clone of {INFO['url']}")
    for folder in ("images", "unlabelled", "annotations"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    names = [str(name[0]) for name in scipy.io.loadmat(source / "label_list.mat")["label_list"][0]]
    found = {path.stem: convert(path, source, names, out) for path in photographs}

    labelled = sorted(stem for stem, (_, truth) in found.items() if truth is not None)
    shuffled = list(labelled)
    random.Random(SEED).shuffle(shuffled)
    val = set(shuffled[:VAL_PHOTOGRAPHS])
    choice = set(shuffled[VAL_PHOTOGRAPHS : VAL_PHOTOGRAPHS + CHOICE_PHOTOGRAPHS])
    parts = {
        "train": [stem for stem in labelled if stem not in val],
        "val": [stem for stem in labelled if stem in val],
        "fit": [stem for stem in labelled if stem not in val | choice],
        "choice": [stem for stem in labelled if stem in choice],
    }
    for part, stems in parts.items():
        images = [found[stem][0] for stem in stems]
        annotations = [one for stem in stems for one in found[stem][1]]
        for level in CATEGORIES:
            write(out / "annotations" / f"instances_{part}_{level}.json", images, annotations, level)
    without = [image for image, truth in found.values() if truth is None]
    write(out / "annotations" / "image_info_unlabeled.json", without, [], "fine")

    differ = [name for name, hash in SHA256.items() if hashlib.sha256((out / "annotations" / name).read_bytes()).hexdigest() != hash]
    if differ:
        sys.exit(f"{', '.join(differ)}: not the bytes of the published results. Is the clone at commit fe34fb7?")
    print("All annotations have the bytes of the published results.")


if __name__ == "__main__":
    main()
