#!/usr/bin/env python3
"""Golden numbers of a training step on several machines: Mask2Former's loss under DistributedDataParallel.

    pip install torch numpy safetensors
    python3 tests/golden/replicas.py

Writes replicas.safetensors beside itself: the inputs, and for 1, 2 and 8 processes the mean of their losses and the
gradients that every process has after its backward pass. The processes talk by gloo, on the CPU.

The network is two linear maps of given features: to classes and to masks. The loss is that of Mask2Former
(facebookresearch/Mask2Former 9b0651c, criterion.py): the class loss is a weighted mean of each process, the losses of
masks are divided by the mean number of masks of a process, at least 1. The random points are inputs. All is computed in
double precision.
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
IMAGES, QUERIES, FEATURES, CLASSES, SIDE = 8, 5, 6, 3, 8
POINTS, CHOSEN, POOL = 20, 15, 60  # 0.75 of the points from 3 times as many
NO_OBJECT, CLASS, MASK, DICE = 0.1, 2.0, 5.0, 5.0
OBJECTS = [[0, 2], [], [1], [0, 1], [], [], [2], []]  # classes; fewer objects than 8 processes


def object_mask(number):
    """Rows 4 n to 4 n + 3 of 16 x 16 pixels."""
    mask = torch.zeros(1, 1, 2 * SIDE, 2 * SIDE, dtype=torch.float64)
    mask[:, :, 4 * number:4 * number + 4] = 1
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
    return min(itertools.permutations(range(QUERIES), count), key=lambda queries: sum(cost[q, o] for o, q in enumerate(queries)))


def loss_of(network, inputs, images, processes):
    """The loss of one process, on its `images`."""
    features = inputs["features"].reshape(IMAGES, QUERIES, FEATURES)[images]
    classes, masks = network(features)
    masks = masks.reshape(len(images), QUERIES, SIDE, SIDE)
    labels = torch.full((len(images), QUERIES), CLASSES)
    planes, points, targets = [], [], []
    first = {image: sum(map(len, OBJECTS[:image])) for image in range(IMAGES)}
    for row, image in enumerate(images):
        wanted = OBJECTS[image]
        if not wanted:
            continue
        own = masks[row, :, None]
        pairs = match(classes[row].detach(), own.detach(), wanted, inputs["matching"][image].reshape(POINTS, 2))
        for number, label in enumerate(wanted):
            query = pairs[number]
            labels[row, query] = label
            drawn = inputs["sampling"][first[image] + number].reshape(1, -1, 2)
            pool, fresh = drawn[:, :POOL], drawn[:, POOL:]
            unsure = sample(own[query:query + 1].detach(), pool).abs().topk(CHOSEN, largest=False).indices[0]
            at = torch.cat([pool[:, unsure], fresh], 1)
            planes.append(own[query:query + 1])
            points.append(at)
            targets.append(sample(object_mask(number), at))
    weights = torch.ones(CLASSES + 1, dtype=torch.float64)
    weights[CLASSES] = NO_OBJECT
    loss = CLASS * F.cross_entropy(classes.flatten(0, 1), labels.flatten(), weights)
    count = torch.tensor([float(len(planes))], dtype=torch.float64)
    dist.all_reduce(count)
    count = (count / processes).clamp(min=1).item()
    if not planes:
        return loss + 0 * masks.sum()
    logits = sample(torch.cat(planes), torch.cat(points))
    targets = torch.cat(targets)
    bce = F.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(1).sum() / count
    probability = logits.sigmoid()
    dice = 1 - (2 * (probability * targets).sum(1) + 1) / (probability.sum(1) + targets.sum(1) + 1)
    return loss + MASK * bce + DICE * dice.sum() / count


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
    loss = loss_of(network, inputs, list(range(rank * share, (rank + 1) * share)), processes)
    loss.backward()
    total = loss.detach().reshape(1) / processes
    dist.all_reduce(total)
    if rank == 0:
        own = network.module
        torch.save({"loss": total, "classes": own.classes.grad, "masks": own.masks.grad}, result)
    dist.destroy_process_group()


def main():
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(20270)
    normal = lambda *shape: torch.randn(*shape, generator=generator).double()
    uniform = lambda *shape: torch.rand(*shape, generator=generator).double()
    inputs = {
        "features": normal(IMAGES * QUERIES, FEATURES),
        "classes": normal(CLASSES + 1, FEATURES),
        "masks": normal(SIDE * SIDE, FEATURES),
        "matching": uniform(IMAGES, 2 * POINTS),
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
