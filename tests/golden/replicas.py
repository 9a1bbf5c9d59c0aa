#!/usr/bin/env python3
"""Golden numbers of a step of PL-DC on several machines: Mask2Former's loss under DistributedDataParallel.

    pip install torch numpy safetensors
    python3 tests/golden/replicas.py

Writes replicas.safetensors beside itself: the inputs, and for 1, 2 and 8 processes the means of their losses and the
gradients that every process has after its backward pass. The processes talk by gloo, on the CPU.

The network is two linear maps: from the first bytes of a picture to the classes and the masks of its queries. There
are 8 labelled images in two views each, and 8 unlabelled images with pseudo-labels, of which a process has a share. The
loss is that of Mask2Former (facebookresearch/Mask2Former 9b0651c, criterion.py), of the labelled images and of the
unlabelled ones apart, as in the released code of PL-DC: the class loss is a weighted mean of the process, and 0 if none
of its images of a kind has an object; the losses of masks are divided by the mean number of masks of a process, at
least 1. The random points are inputs. All is computed in double precision.
"""
import itertools
import os
import sys
import tempfile

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn.functional as F
from safetensors.torch import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
SEED = 20270
IMAGES, QUERIES, FEATURES, CLASSES, SIDE = 8, 5, 6, 3, 8
PICTURE = 4 * SIDE  # pixels along a side of a picture
MEAN, DEVIATION = 127.5, 63.75  # of a byte of a picture
POINTS, CHOSEN, POOL = 20, 15, 60  # 0.75 of the points from 3 times as many
NO_OBJECT, CLASS, MASK, DICE = 0.1, 2.0, 5.0, 5.0
SUPERVISED, UNSUPERVISED, UNSUPERVISED_CLASS = 0.5, 0.25, 2.0  # weights of the labelled loss, the unlabelled one, its class loss
# Classes of the objects of each picture: the weak views of the labelled images, their strong views, and the unlabelled
# images. Of 8 processes some have no object of a kind, and one of 2 has more pseudo-labels than the other.
LABELLED = [[0, 2], [], [1], [0, 1], [2], [], [2], [1]]
STRONG = [[0], [], [1, 2], [0], [2], [1], [], [1, 0, 2]]
PSEUDO = [[1], [], [0, 1, 2], [], [2, 2], [0], [], []]
OBJECTS = LABELLED + STRONG + PSEUDO
# The least distance of two numbers whose order decides something, so that it does not depend on rounding.
CLEAR = 1e-4


def decided(small, large):
    """Fails where `small` is not clearly smaller."""
    assert large - small > CLEAR, f"another seed: {small} and {large}"


def object_mask(number):
    """Rows 8 n to 8 n + 7 of the picture."""
    mask = torch.zeros(1, 1, PICTURE, PICTURE, dtype=torch.float64)
    mask[:, :, 8 * number:8 * number + 8] = 1
    return mask


def sample(planes, points):
    """`planes` [N, 1, h, w] at `points` [N, P, 2]: [N, P]."""
    found = F.grid_sample(planes, 2 * points[:, :, None] - 1, align_corners=False)
    return found[:, 0, :, 0]


def match(classes, masks, wanted, points):
    """The queries of the objects of an image."""
    count = len(wanted)
    logits = sample(masks, points.expand(QUERIES, -1, -1))
    targets = torch.cat([sample(object_mask(n), points[None]) for n in range(count)])
    bce = (F.softplus(-logits) @ targets.T + F.softplus(logits) @ (1 - targets).T) / POINTS
    probability = logits.sigmoid()
    overlap = 2 * probability @ targets.T
    dice = 1 - (overlap + 1) / (probability.sum(1)[:, None] + targets.sum(1)[None] + 1)
    cost = MASK * bce + DICE * dice - CLASS * classes.softmax(1)[:, wanted]
    # There are few enough to try them all.
    cost_of = lambda queries: sum(cost[q, o] for o, q in enumerate(queries)).item()
    best, second = sorted(itertools.permutations(range(QUERIES), count), key=cost_of)[:2]
    decided(cost_of(best), cost_of(second))
    return best


def losses_of(classes, masks, inputs, pictures, processes):
    """The class loss and the losses of masks of the `pictures` of one kind that a process has, with these predictions."""
    masks = masks.reshape(len(pictures), QUERIES, SIDE, SIDE)
    labels = torch.full((len(pictures), QUERIES), CLASSES)
    planes, points, targets = [], [], []
    for row, picture in enumerate(pictures):
        wanted = OBJECTS[picture]
        if not wanted:
            continue
        own = masks[row, :, None]
        pairs = match(classes[row].detach(), own.detach(), wanted, inputs["matching"][picture].reshape(POINTS, 2))
        first = sum(map(len, OBJECTS[:picture]))
        for number, label in enumerate(wanted):
            query = pairs[number]
            labels[row, query] = label
            drawn = inputs["sampling"][first + number].reshape(1, -1, 2)
            pool, fresh = drawn[:, :POOL], drawn[:, POOL:]
            sure, order = sample(own[query:query + 1].detach(), pool).abs()[0].sort()
            decided(sure[CHOSEN - 1], sure[CHOSEN])
            at = torch.cat([pool[:, order[:CHOSEN]], fresh], 1)
            planes.append(own[query:query + 1])
            points.append(at)
            targets.append(sample(object_mask(number), at))
    count = torch.tensor([float(len(planes))], dtype=torch.float64)
    dist.all_reduce(count)
    count = (count / processes).clamp(min=1).item()
    if not planes:
        # Every parameter has a gradient, as DistributedDataParallel demands.
        return 0 * classes.sum(), 0 * masks.sum()
    weights = torch.ones(CLASSES + 1, dtype=torch.float64)
    weights[CLASSES] = NO_OBJECT
    of_classes = F.cross_entropy(classes.flatten(0, 1), labels.flatten(), weights)
    logits = sample(torch.cat(planes), torch.cat(points))
    targets = torch.cat(targets)
    bce = F.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(1).sum() / count
    probability = logits.sigmoid()
    dice = 1 - (2 * (probability * targets).sum(1) + 1) / (probability.sum(1) + targets.sum(1) + 1)
    return CLASS * of_classes, MASK * bce + DICE * dice.sum() / count


class Network(torch.nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.classes = torch.nn.Parameter(inputs["classes"].clone())
        self.masks = torch.nn.Parameter(inputs["masks"].clone())

    def forward(self, features):
        return features @ self.classes.T, features @ self.masks.T


def process(rank, processes, inputs, meeting, result):
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=processes)
    network = torch.nn.parallel.DistributedDataParallel(Network(inputs))
    share = IMAGES // processes
    own = range(rank * share, (rank + 1) * share)
    labelled = [view * IMAGES + image for view in range(2) for image in own]
    unlabelled = [2 * IMAGES + image for image in own]
    features = (inputs["pictures"][labelled + unlabelled] - MEAN) / DEVIATION
    classes, masks = network(features.reshape(-1, QUERIES, FEATURES))
    kinds = [slice(0, len(labelled)), slice(len(labelled), None)]
    sup, unsup = [
        losses_of(classes[kind], masks[kind], inputs, pictures, processes)
        for kind, pictures in zip(kinds, [labelled, unlabelled])
    ]
    loss = SUPERVISED * sum(sup) + UNSUPERVISED_CLASS * unsup[0] + UNSUPERVISED * unsup[1]
    loss.backward()
    losses = torch.stack([loss, *sup, *unsup]).detach() / processes
    dist.all_reduce(losses)
    if rank == 0:
        own = network.module
        torch.save({"losses": losses, "classes": own.classes.grad, "masks": own.masks.grad}, result)
    dist.destroy_process_group()


def main():
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(SEED)
    normal = lambda *shape: torch.randn(*shape, generator=generator).float().double()
    uniform = lambda *shape: torch.rand(*shape, generator=generator).float().double()
    pictures = len(OBJECTS)
    inputs = {
        "pictures": torch.randint(256, (pictures, QUERIES * FEATURES), generator=generator).double(),
        "classes": normal(CLASSES + 1, FEATURES),
        "masks": normal(SIDE * SIDE, FEATURES),
        "matching": uniform(pictures, 2 * POINTS),
        "sampling": uniform(sum(map(len, OBJECTS)), 2 * (POOL + POINTS - CHOSEN)),
    }
    written = dict(inputs)
    for processes in (1, 2, 8):
        with tempfile.TemporaryDirectory() as folder:
            result = os.path.join(folder, "result")
            arguments = (processes, inputs, os.path.join(folder, "meeting"), result)
            mp.start_processes(process, arguments, processes, start_method="fork")
            for name, values in torch.load(result).items():
                written[f"{processes}.{name}"] = values
    save_file({name: values.float().contiguous() for name, values in written.items()}, os.path.join(HERE, "replicas.safetensors"))


if __name__ == "__main__":
    sys.exit(main())
