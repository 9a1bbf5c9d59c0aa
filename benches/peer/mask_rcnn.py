"""Full-size Mask R-CNN R-50-FPN of torchvision, timed: the other side of `mask_rcnn.sh`.

    mask_rcnn.py --draw FILE       writes the weights that both programs use, with torchvision's names
    mask_rcnn.py --weights FILE    times

Detection of one picture of 800 x 1333 pixels, and a training step (frozen stem and res2) on two pictures of 512 x 512 with eight
objects each: forward, losses, backward, SGD. Pictures and objects follow the formulas of `benches/mask_rcnn/work.rs`, and the first
candidates are sampled, as there. Prints one line of JSON: median ms of the whole and of its parts, the loss of the first step, the number of
detections, peak memory.
"""

import argparse
import json
import resource
import time
from statistics import median

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops import FrozenBatchNorm2d

CLASSES, OBJECTS, BLOCK, BATCH = 80, 8, 8, 2
DETECTED, TRAINED = (800, 1333), (512, 512)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--draw")
    parser.add_argument("--weights")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--channels-last", action="store_true")
    return parser.parse_args()


def network(size):
    backbone = resnet_fpn_backbone(backbone_name="resnet50", weights=None, norm_layer=FrozenBatchNorm2d, trainable_layers=3)
    return MaskRCNN(backbone, num_classes=CLASSES + 1, min_size=min(size), max_size=max(size))


def draw(file):
    """Random weights that let values neither grow nor vanish, and scores that spread, so that masks are predicted."""
    torch.manual_seed(0)
    state = network(TRAINED).state_dict()
    for name, value in state.items():
        if name.endswith("bn3.weight"):
            value.fill_(0.25)
        if "cls_score.weight" in name or "cls_logits.weight" in name:
            value.mul_(20)
    save_file({name: value.contiguous() for name, value in state.items()}, file)


def mixed(index):
    with np.errstate(over="ignore"):
        z = index.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def picture(number, size):
    height, width = size
    y, x, colour = np.meshgrid(np.arange(height) // BLOCK, np.arange(width) // BLOCK, np.arange(3), indexing="ij")
    values = mixed(((number * 1000 + y) * 1000 + x) * 3 + colour) >> np.uint64(56)
    return torch.from_numpy(values.astype(np.float32) / 255).permute(2, 0, 1).contiguous()


def target(number, size):
    height, width = size
    side = height // 4
    boxes, masks = [], torch.zeros(OBJECTS, height, width, dtype=torch.uint8)
    for object_ in range(OBJECTS):
        index = number * OBJECTS + object_
        top, left = 37 * (index + 1) % (height - side), 91 * (index + 1) % (width - side)
        masks[object_, top : top + side, left : left + side] = 1
        boxes.append([left, top, left + side, top + side])
    labels = [1 + 10 * object_ % CLASSES for object_ in range(OBJECTS)]
    return {"boxes": torch.tensor(boxes, dtype=torch.float32), "labels": torch.tensor(labels), "masks": masks}


def summary(runs):
    return {part: round(median(run[part] for run in runs[1:]), 1) for part in runs[0]}


def loaded(options, size):
    model = network(size)
    model.load_state_dict(load_file(options.weights))
    return model.to(memory_format=torch.channels_last) if options.channels_last else model


def detection(options):
    model = loaded(options, DETECTED).eval()
    image, runs = picture(0, DETECTED), []
    with torch.no_grad():
        for _ in range(options.repeats + 1):
            began = time.perf_counter()
            found = model([image])
            runs.append({"all": 1e3 * (time.perf_counter() - began)})
    return summary(runs), len(found[0]["scores"])


def training(options):
    model = loaded(options, TRAINED).train()
    parameters = [p for p in model.parameters() if p.requires_grad]
    # A step of this rate leaves the weights as they are, so that every step does the same work.
    optimizer = torch.optim.SGD(parameters, lr=0.0, momentum=0.9, weight_decay=1e-4)
    images = [picture(number, TRAINED) for number in range(BATCH)]
    targets = [target(number, TRAINED) for number in range(BATCH)]
    runs, losses = [], []
    for _ in range(options.repeats + 1):
        began = time.perf_counter()
        loss = sum(model(images, targets).values())
        forward = time.perf_counter()
        optimizer.zero_grad()
        loss.backward()
        backward = time.perf_counter()
        optimizer.step()
        end = time.perf_counter()
        runs.append(
            {
                "all": 1e3 * (end - began),
                "forward and losses": 1e3 * (forward - began),
                "backward": 1e3 * (backward - forward),
                "optimizer": 1e3 * (end - backward),
            }
        )
        losses.append(loss.item())
    return summary(runs), losses[0]


def main():
    options = arguments()
    if options.draw:
        draw(options.draw)
        return
    torch.set_num_threads(options.threads)
    # Sampling takes the first candidates, as ours does here.
    torch.randperm = lambda n, **_: torch.arange(n)
    forward, found = detection(options)
    forward_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    step, loss = training(options)
    result = {
        "program": "torchvision",
        "threads": options.threads,
        "channels_last": options.channels_last,
        "forward": forward,
        "detections": found,
        "forward_peak_rss_mb": forward_peak,
        "step": step,
        "loss": loss,
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
