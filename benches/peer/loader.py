"""PyTorch's DataLoader at COCO's size, timed: the other side of `loader.sh`.

An image is decoded, resized by large-scale jitter (0.1 to 2.0 of the largest size that fits into 1024 x 1024), cropped or padded and
mirrored, as detectron2's mapper for Mask2Former does it. The polygons of labelled images are moved along and drawn at 1024 x 1024 by
pycocotools; those of unlabelled images are not needed. The strong view is that of Unbiased Teacher and PL-DC: colour jitter, grey,
blur and three erasings of the weak view. `--kind pil` works on PIL's images, `--kind tensor` on 8-bit tensors with torchvision's v2.
Prints one line of JSON: images per second, the processor time of an image, and the largest resident sizes of the process and of its
workers, added up, in MiB.
"""

import argparse
import json
import math
import random
import resource
import time

import numpy as np
import torch
from PIL import Image
from pycocotools import mask as runs
from torch.utils.data import DataLoader, Dataset
from torchvision import io
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

SIZE, SCALE, PAD = 1024, (0.1, 2.0), 128
LABELLED, UNLABELLED, DISCARD = 8, 8, 2
SIGMA = (0.1, 2.0)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--annotations", required=True)
    parser.add_argument("--images", required=True)
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--batches", type=int, default=8)
    parser.add_argument("--kind", choices=("pil", "tensor"), default="pil")
    return parser.parse_args()


def erasings():
    return v2.Compose(
        [
            v2.RandomErasing(p, scale=area, ratio=aspect, value="random")
            for p, area, aspect in (
                (0.7, (0.05, 0.2), (0.3, 3.3)),
                (0.5, (0.02, 0.2), (0.1, 6.0)),
                (0.3, (0.02, 0.2), (0.05, 8.0)),
            )
        ]
    )


class Pil:
    """The picture as an image of PIL."""

    def __init__(self):
        self.colours = v2.Compose(
            [v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.1)], 0.8), v2.RandomGrayscale(0.2)]
        )
        self.erasings = erasings()

    def read(self, path):
        return Image.open(path).convert("RGB")

    def size(self, image):
        return image.height, image.width

    def place(self, image, flip, resized, offset):
        if flip:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        image = image.resize(resized[::-1], Image.Resampling.BILINEAR)
        image = image.crop((offset[1], offset[0], min(offset[1] + SIZE, resized[1]), min(offset[0] + SIZE, resized[0])))
        if image.size == (SIZE, SIZE):
            return image
        padded = Image.new("RGB", (SIZE, SIZE), (PAD, PAD, PAD))
        padded.paste(image, (0, 0))
        return padded

    def strong(self, image):
        image = self.colours(image)
        if random.random() < 0.5:
            from PIL import ImageFilter

            image = image.filter(ImageFilter.GaussianBlur(random.uniform(*SIGMA)))
        return self.erasings(F.pil_to_tensor(image))

    def tensor(self, image):
        return F.pil_to_tensor(image)


class Tensor:
    """The picture as an 8-bit tensor."""

    def __init__(self):
        self.colours = v2.Compose(
            [v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.1)], 0.8), v2.RandomGrayscale(0.2)]
        )
        self.erasings = erasings()

    def read(self, path):
        return io.decode_image(io.read_file(path), io.ImageReadMode.RGB)

    def size(self, image):
        return image.shape[-2:]

    def place(self, image, flip, resized, offset):
        if flip:
            image = F.horizontal_flip(image)
        image = F.resize(image, list(resized), antialias=True)
        image = image[:, offset[0] : offset[0] + SIZE, offset[1] : offset[1] + SIZE]
        return F.pad(image, [0, 0, SIZE - image.shape[2], SIZE - image.shape[1]], fill=PAD)

    def strong(self, image):
        image = self.colours(image)
        if random.random() < 0.5:
            sigma = random.uniform(*SIGMA)
            image = F.gaussian_blur(image, 2 * math.ceil(3 * sigma) + 1, sigma)
        return self.erasings(image.clone())

    def tensor(self, image):
        return image


class Images(Dataset):
    """Image `i` of a batch is labelled if `i` is below LABELLED."""

    def __init__(self, options):
        with open(options.annotations, encoding="utf-8") as file:
            content = json.load(file)
        self.kind = Pil() if options.kind == "pil" else Tensor()
        self.folder = options.images
        self.images = content["images"]
        self.polygons = {image["id"]: [] for image in self.images}
        for annotation in content["annotations"]:
            if not annotation.get("iscrowd"):
                self.polygons[annotation["image_id"]].append(annotation["segmentation"])
        self.length = (DISCARD + options.batches) * (LABELLED + UNLABELLED)

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        image = self.images[random.randrange(len(self.images))]
        picture = self.kind.read(f"{self.folder}/{image['file_name']}")
        height, width = self.kind.size(picture)
        flip = random.random() < 0.5
        factor = SIZE / max(height, width) * random.uniform(*SCALE)
        resized = max(round(height * factor), 1), max(round(width * factor), 1)
        share = random.random()
        offset = [round(max(side - SIZE, 0) * share) for side in resized]
        picture = self.kind.place(picture, flip, resized, offset)
        item = {"weak": self.kind.tensor(picture), "strong": self.kind.strong(picture)}
        if index % (LABELLED + UNLABELLED) < LABELLED:
            item["masks"] = self.masks(image, (height, width), flip, resized, offset)
        return item

    def masks(self, image, size, flip, resized, offset):
        masks = []
        scale = np.array([resized[1] / size[1], resized[0] / size[0]])
        for polygons in self.polygons[image["id"]]:
            moved = []
            for polygon in polygons:
                points = np.asarray(polygon, dtype=np.float64).reshape(-1, 2)
                if flip:
                    points = points * [-1, 1] + [size[1], 0]
                moved.append((points * scale - offset[::-1]).reshape(-1))
            mask = runs.decode(runs.merge(runs.frPyObjects(moved, SIZE, SIZE)))
            if mask.any():
                masks.append(torch.from_numpy(np.ascontiguousarray(mask)).bool())
        return torch.stack(masks) if masks else torch.zeros(0, SIZE, SIZE, dtype=torch.bool)


def main():
    options = arguments()
    torch.set_num_threads(options.cores)
    images = Images(options)
    loader = DataLoader(
        images, batch_size=LABELLED + UNLABELLED, num_workers=options.workers, collate_fn=list, drop_last=True
    )
    start = time.perf_counter()
    own = time.process_time()
    for step, batch in enumerate(loader):
        assert len(batch) == LABELLED + UNLABELLED
        if step + 1 == DISCARD:
            start = time.perf_counter()
    seconds = time.perf_counter() - start
    own = time.process_time() - own
    # The workers have ended: the kernel tells their time together, and the memory of the largest.
    workers = resource.getrusage(resource.RUSAGE_CHILDREN)
    mine = resource.getrusage(resource.RUSAGE_SELF)
    result = {
        "program": f"PyTorch, {options.kind}, {options.workers} workers",
        "cores": options.cores,
        "images_per_second": round(options.batches * (LABELLED + UNLABELLED) / seconds, 2),
        "cpu_ms_per_image": round(1e3 * (own + workers.ru_utime + workers.ru_stime) / len(images), 2),
        "peak_mib": (mine.ru_maxrss + options.workers * workers.ru_maxrss) // 1024,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
