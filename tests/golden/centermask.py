"""A small CenterMask: its weights, losses, gradients and detections, computed by PyTorch and torchvision in float64.

Writes `centermask_weights.safetensors` (CenterMask2's names) and `centermask.safetensors` beside this file:

- `mean_and_largest.*`: in the form that README.md describes;
- `loss.<term>`: the five losses of a training step on two pictures;
- `grad.<name>`: the gradient of every parameter of their sum, in the reference's order;
- `<picture>.boxes`, `.classes`, `.scores`, `.masks`, `.ious`: the detections of each picture.

The backbone, the pyramid, the layers of FCOS' head, the assignment of locations, the focal loss, suppression and RoIAlign are
torchvision's; class and centreness losses are compared with those of its `FCOSHead`. What CenterMask2 has beside them is written down
as formulas: scales of the levels, its GIoU loss, the level of a region, spatial attention, the IoU head and its target.

The pictures, the objects and their masks are those of `mask_rcnn.py`. Sampling takes the first candidates, not random ones. Run with
the seeds from 0 until no decision is too near for float32; prints the seed.
"""

import functools
import pathlib
import types

import numpy as np
import torch
import torch.nn.functional as F
from mask_rcnn import CLASSES, FPN, HIDDEN, MASK_WIDTH, PICTURES, WIDTHS, Body, picture, target
from safetensors.numpy import save_file
from torch import nn
from torchvision.models.detection.fcos import FCOS, FCOSClassificationHead, FCOSHead, FCOSRegressionHead
from torchvision.ops import FeaturePyramidNetwork, batched_nms, box_iou, roi_align, sigmoid_focal_loss
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

HERE = pathlib.Path(__file__).parent
STRIDES, GROUPS, CONVS, SIDE = (8, 16, 32, 64, 128), 4, 2, 7
# A quarter of torchvision's sizes makes the ranges 16, 32, 64, 128 pixels, and six of them are 1.5 strides.
QUARTER, RADIUS = 0.25, 6.0
PER_LEVEL, OVERLAP, PROBABILITY, KEPT_TRAIN, KEPT_TEST = 40, 0.6, 0.05, 20, 10
REGIONS, SHARE, HIGH = 32, 0.25, 0.5
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class CenterMask(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        norm = functools.partial(nn.GroupNorm, GROUPS)
        self.body = Body()
        self.fpn = FeaturePyramidNetwork([4 * width for width in WIDTHS[1:]], FPN, LastLevelP6P7(FPN, FPN))
        self.classes = FCOSClassificationHead(FPN, 1, CLASSES, CONVS, norm_layer=norm)
        self.boxes = FCOSRegressionHead(FPN, 1, CONVS, norm_layer=norm)
        self.scales = nn.ParameterList([nn.Parameter(torch.ones(1)) for _ in STRIDES])
        self.mask_fcn = nn.ModuleList([nn.Conv2d(FPN if i == 0 else MASK_WIDTH, MASK_WIDTH, 3, padding=1) for i in range(CONVS)])
        self.attention = nn.Conv2d(2, 1, 3, padding=1, bias=False)
        self.deconv = nn.ConvTranspose2d(MASK_WIDTH, MASK_WIDTH, 2, 2)
        self.predictor = nn.Conv2d(MASK_WIDTH, CLASSES, 1)
        self.iou_fcn = nn.ModuleList(
            [nn.Conv2d(FPN + 1 if i == 0 else MASK_WIDTH, MASK_WIDTH, 3, 2 if i == 3 else 1, 1) for i in range(4)]
        )
        self.fc1 = nn.Linear(MASK_WIDTH * ((SIDE + 1) // 2) ** 2, HIDDEN)
        self.fc2 = nn.Linear(HIDDEN, HIDDEN)
        self.iou = nn.Linear(HIDDEN, CLASSES)

    def levels(self, images: torch.Tensor) -> list[torch.Tensor]:
        body, maps = self.body, {}
        x = body.maxpool(F.relu(body.bn1(body.conv1(images))))
        for stage in range(4):
            x = getattr(body, f"layer{stage + 1}")(x)
            maps[str(stage)] = x
        del maps["0"]
        return list(self.fpn(maps).values())

    def locations(self, levels: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Logits of the classes, distances in strides, logits of the centreness: [images, locations, numbers]."""
        flat = lambda x: x.permute(0, 2, 3, 1).flatten(1, 2)
        classes, sides, centre = [], [], []
        for level, scale in zip(levels, self.scales):
            classes.append(flat(self.classes.cls_logits(self.classes.conv(level))))
            x = self.boxes.conv(level)
            sides.append(flat(F.relu(self.boxes.bbox_reg(x) * scale)))
            centre.append(flat(self.boxes.bbox_ctrness(x)))
        return torch.cat(classes, 1), torch.cat(sides, 1), torch.cat(centre, 1)

    def regions(self, levels: list[torch.Tensor], boxes: list[torch.Tensor], classes: torch.Tensor, sizes: list[tuple[int, int]]):
        """Mask logits of the own classes and their predicted IoU."""
        rois = torch.cat([torch.cat([torch.full((len(b), 1), float(i)).double(), b], 1) for i, b in enumerate(boxes)])
        areas = torch.tensor([float(sizes[int(i)][0] * sizes[int(i)][1]) for i in rois[:, 0]]).double()
        own = (rois[:, 3] - rois[:, 1]) * (rois[:, 4] - rois[:, 2])
        raw = 5 - torch.log2(areas / own)
        near_all.append((raw - raw.round()).abs().min().item())
        level = raw.ceil().clamp(3, 5).long() - 3
        bins = torch.stack(
            [roi_align(levels[int(l)], roi[None], SIDE, 1 / STRIDES[int(l)], 0, True)[0] for l, roi in zip(level, rois)]
        )
        x = bins
        for layer in self.mask_fcn:
            x = F.relu(layer(x))
        numbers = torch.cat([x.mean(1, keepdim=True), x.max(1, keepdim=True)[0]], 1)
        x = x * self.attention(numbers).sigmoid()
        masks = self.predictor(F.relu(self.deconv(x)))[torch.arange(len(classes)), classes]
        x = torch.cat([bins, F.max_pool2d(masks[:, None].sigmoid(), 2)], 1)
        for layer in self.iou_fcn:
            x = F.relu(layer(x))
        x = F.relu(self.fc2(F.relu(self.fc1(x.flatten(1)))))
        return masks, self.iou(x)[torch.arange(len(classes)), classes]


def our_name(name: str) -> str:
    """The name of a tensor of the class above -> CenterMask2's."""
    parts = name.split(".")
    kind, field = parts[0], parts[-1]
    if kind == "body":
        if parts[1] in ("conv1", "bn1"):
            return "backbone.bottom_up.stem.conv1." + ("norm." if parts[1] == "bn1" else "") + field
        block = f"backbone.bottom_up.res{int(parts[1][-1]) + 1}.{parts[2]}"
        if parts[3] == "downsample":
            return f"{block}.shortcut." + ("norm." if parts[4] == "1" else "") + field
        return f"{block}.conv{parts[3][-1]}." + ("norm." if parts[3].startswith("bn") else "") + field
    if kind == "fpn":
        if parts[1] == "extra_blocks":
            return f"backbone.top_block.{parts[2]}.{field}"
        layer = {"inner_blocks": "fpn_lateral", "layer_blocks": "fpn_output"}[parts[1]]
        return f"backbone.{layer}{int(parts[2]) + 3}.{field}"
    if kind in ("classes", "boxes"):
        tower = {"classes": "cls_tower", "boxes": "bbox_tower"}[kind]
        layer = f"{tower}.{parts[2]}" if parts[1] == "conv" else {"bbox_reg": "bbox_pred", "bbox_ctrness": "ctrness"}.get(parts[1], parts[1])
        return f"proposal_generator.fcos_head.{layer}.{field}"
    if kind == "scales":
        return f"proposal_generator.fcos_head.scales.{parts[1]}.scale"
    for theirs, ours in [("mask_fcn", "mask_head.mask_fcn"), ("iou_fcn", "maskiou_head.maskiou_fcn")]:
        if kind == theirs:
            return f"roi_heads.{ours}{int(parts[1]) + 1}.{field}"
    ours = {"attention": "mask_head.spatialAtt.conv", "deconv": "mask_head.deconv", "predictor": "mask_head.predictor"}
    ours |= {"fc1": "maskiou_head.maskiou_fc1", "fc2": "maskiou_head.maskiou_fc2", "iou": "maskiou_head.maskiou"}
    return f"roi_heads.{ours[kind]}.{field}"


def fill(net: CenterMask, seed: int) -> None:
    """Weights that keep activations near 1, scores apart, and boxes as large as the objects."""
    random = torch.Generator().manual_seed(seed)
    for name, value in net.state_dict().items():
        drawn = torch.randn(value.shape, generator=random)
        if "bn" in name or "downsample.1" in name:
            base = {"weight": 1.0, "running_var": 1.0}.get(name.split(".")[-1], 0.0)
            drawn = base + 0.2 * (drawn.abs() if name.endswith("running_var") else drawn)
        elif "scales" in name:
            drawn = 1 + 0.2 * drawn
        elif value.dim() == 1:
            drawn = 0.05 * drawn
            if name.startswith(("classes.conv", "boxes.conv")) and name.endswith("weight"):
                drawn = 1 + drawn
            drawn = drawn + {"classes.cls_logits.bias": -2.0, "boxes.bbox_reg.bias": 1.5, "iou.bias": 0.6}.get(name, 0.0)
        else:
            fan = value[0].numel() if "deconv" not in name else value.shape[0]
            drawn = drawn * (1.4 / fan) ** 0.5
            if name in ("classes.cls_logits.weight", "predictor.weight"):
                drawn = 3 * drawn
            if name == "boxes.bbox_reg.weight":
                drawn = 0.5 * drawn
        # Numbers that float32 holds exactly.
        value.copy_(drawn.float())


def inputs(numbers: list[int]) -> torch.Tensor:
    """Normalised pictures in one input, padded with 0 to multiples of 32."""
    sizes = [PICTURES[number] for number in numbers]
    height, width = (-(-max(size[axis] for size in sizes) // 32) * 32 for axis in range(2))
    out = torch.zeros(len(numbers), 3, height, width).double()
    mean, std = (torch.tensor(value).double()[:, None, None] for value in (MEAN, STD))
    for row, number in zip(out, numbers):
        values = (picture(number).double() - mean) / std
        row[:, : values.shape[1], : values.shape[2]] = values
    return out


def all_locations(levels: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    """Places [locations, 2], the stride of each, and the number of each level."""
    places, strides = [], []
    for level, stride in zip(levels, STRIDES):
        y, x = torch.meshgrid(*(torch.arange(side) * stride + stride // 2 for side in level.shape[-2:]), indexing="ij")
        places.append(torch.stack([x.flatten(), y.flatten()], 1).double())
        strides.append(torch.full((places[-1].shape[0],), float(stride)).double())
    return torch.cat(places), torch.cat(strides), [len(p) for p in places]


def assigned(places, strides, counts, targets, outputs) -> list[torch.Tensor]:
    """torchvision's assignment: the object of each location, -1 for none."""
    half = (QUARTER * strides / 2)[:, None]
    anchors = torch.cat([places - half, places + half], 1)
    taken: list[torch.Tensor] = []
    head = types.SimpleNamespace(compute_loss=lambda _, __, ___, matched: taken.extend(matched))
    FCOS.compute_loss(types.SimpleNamespace(center_sampling_radius=RADIUS, head=head), targets, outputs, [anchors] * len(targets), counts)
    # Distances at the end of a range belong to both levels in CenterMask2 and to none in torchvision.
    last = strides == STRIDES[-1]
    ends = torch.stack([strides.where(strides > STRIDES[0], -torch.ones_like(strides)), (2 * strides).where(~last, 1e9 * strides)], 1)
    for one in targets:
        x, y = places[:, :1], places[:, 1:]
        b = one["boxes"]
        sides = torch.stack([x - b[:, 0], y - b[:, 1], b[:, 2] - x, b[:, 3] - y], 2)
        inside = sides.min(2)[0] > 0
        farthest = sides.max(2)[0]
        gap = (farthest[:, :, None] - ends[:, None]).abs().min(2)[0]
        assert gap[inside].min() > 0, "a distance at the end of a range"
    return taken


def giou_loss(found: torch.Tensor, wanted: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """The sum of CenterMask2's losses of distances to the left, top, right and bottom."""
    area = lambda sides: (sides[:, 0] + sides[:, 2]) * (sides[:, 1] + sides[:, 3])
    both, around = area(torch.min(found, wanted)), area(torch.max(found, wanted))
    union = area(found) + area(wanted) - both
    giou = (both + 1) / (union + 1) - (around - union) / around
    return (weights * (1 - giou)).sum()


def found_boxes(places, strides, counts, classes, sides, centre, kept: int):
    """Boxes, scores and classes of one image, the best first."""
    probability, centreness = classes.sigmoid(), centre.sigmoid()
    near_all.append((probability - PROBABILITY).abs().min().item())
    boxes = torch.cat([places - sides[:, :2] * strides[:, None], places + sides[:, 2:] * strides[:, None]], 1)
    rows, kinds, scores, first = [], [], [], 0
    for count in counts:
        own = slice(first, first + count)
        at, kind = torch.nonzero(probability[own] > PROBABILITY, as_tuple=True)
        score = (probability[own] * centreness[own])[at, kind]
        order = score.argsort(descending=True, stable=True)[:PER_LEVEL]
        rows.append(first + at[order]), kinds.append(kind[order]), scores.append(score[order].sqrt())
        first += count
    rows, kinds, scores = torch.cat(rows), torch.cat(kinds), torch.cat(scores)
    boxes = boxes[rows]
    sized = ((boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])).nonzero()[:, 0]
    boxes, kinds, scores = boxes[sized], kinds[sized], scores[sized]
    near_all.append((box_iou(boxes, boxes) - OVERLAP).abs().min().item())
    best = batched_nms(boxes, scores, kinds, OVERLAP)[:kept]
    near_all.append(-np.diff(scores[best].numpy()).max() if len(best) > 1 else 1.0)
    return boxes[best], scores[best], kinds[best]


def step(net: CenterMask) -> dict[str, torch.Tensor]:
    """The losses of a training step on both pictures."""
    targets = [target(number) for number in range(len(PICTURES))]
    for one in targets:
        one["boxes"], one["labels"] = one["boxes"].double(), one["labels"] - 1
    levels = net.levels(inputs([0, 1]))
    classes, sides, centre = net.locations(levels)
    places, strides, counts = all_locations(levels)
    outputs = {"cls_logits": classes, "bbox_regression": sides, "bbox_ctrness": centre}
    matched = assigned(places, strides, counts, targets, outputs)
    hot, wanted, rows = torch.zeros_like(classes), [], []
    for image, (one, own) in enumerate(zip(targets, matched)):
        positive = own >= 0
        hot[image, positive, one["labels"][own[positive]]] = 1
        box, at = one["boxes"][own[positive]], places[positive]
        wanted.append(torch.cat([at - box[:, :2], box[:, 2:] - at], 1) / strides[positive][:, None])
        rows.append(positive)
    wanted, rows = torch.cat(wanted), torch.stack(rows)
    pairs = wanted[:, [0, 2]], wanted[:, [1, 3]]
    target_centre = (pairs[0].min(1)[0] / pairs[0].max(1)[0] * pairs[1].min(1)[0] / pairs[1].max(1)[0]).sqrt()
    count = len(wanted)
    print("locations of each image with an object:", [int(r.sum()) for r in rows])
    losses = {
        "class": sigmoid_focal_loss(classes, hot, 0.25, 2.0, "sum") / count,
        "box": giou_loss(sides[rows], wanted, target_centre) / target_centre.sum(),
        "centreness": F.binary_cross_entropy_with_logits(centre[rows][:, 0], target_centre, reduction="sum") / count,
    }
    half = (strides / 2)[:, None]
    anchors = [torch.cat([places - half, places + half], 1)] * len(targets)
    theirs = FCOSHead(32, 1, CLASSES, CONVS).compute_loss(targets, outputs, anchors, matched)
    for ours, other in [("class", "classification"), ("centreness", "bbox_ctrness")]:
        assert abs(losses[ours].item() - theirs[other].item()) < 1e-6 * theirs[other].item(), ours

    with torch.no_grad():
        proposed = [found_boxes(places, strides, counts, c, s, q, KEPT_TRAIN)[0] for c, s, q in zip(classes, sides, centre)]
    boxes, kinds, masks, shares = [], [], [], []
    for one, candidates in zip(targets, proposed):
        candidates = torch.cat([candidates, one["boxes"]])
        overlap, owner = box_iou(one["boxes"], candidates).max(0)
        near_all.append((overlap - HIGH).abs().min().item())
        positive = (overlap >= HIGH).nonzero()[:, 0][: int(REGIONS * SHARE)]
        owner, regions = owner[positive], candidates[positive]
        boxes.append(regions), kinds.append(one["labels"][owner])
        rois = torch.cat([owner[:, None].double(), regions], 1)
        masks.append((roi_align(one["masks"][:, None].double(), rois, 2 * SIDE, 1.0, 0, True)[:, 0] >= 0.5).double())
        for region, number in zip(regions, owner):
            y, x = one["masks"][number].nonzero(as_tuple=True)
            x, y = x + 0.5, y + 0.5
            inside = (x >= region[0]) & (x < region[2]) & (y >= region[1]) & (y < region[3])
            shares.append(inside.double().mean())
    print("regions:", [len(b) for b in boxes])
    masks, shares = torch.cat(masks), torch.stack(shares)
    logits, iou = net.regions(levels, boxes, torch.cat(kinds), PICTURES)
    near_all.append(logits.abs().min().item() / 10)
    losses["mask"] = F.binary_cross_entropy_with_logits(logits, masks)
    with torch.no_grad():
        predicted = (logits > 0).double()
        both, whole = (predicted * masks).sum((1, 2)), masks.sum((1, 2)) / shares.clamp(min=1e-10, max=1)
        wanted = both / (predicted.sum((1, 2)) + whole - both).clamp(min=1)
    positive = wanted > 0
    print("targets of the IoU:", wanted.numpy().round(3))
    losses["iou"] = (0.5 * (iou - wanted)[positive] ** 2).mean()
    return losses


def detections(net: CenterMask, number: int) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        levels = net.levels(inputs([number]))
        classes, sides, centre = net.locations(levels)
        boxes, scores, kinds = found_boxes(*all_locations(levels), classes[0], sides[0], centre[0], KEPT_TEST)
        masks, iou = net.regions(levels, [boxes], kinds, [PICTURES[number]])
    print(number, kinds.tolist(), scores.numpy().round(3), iou.numpy().round(2))
    return {"boxes": boxes, "classes": kinds, "scores": scores, "masks": masks.sigmoid().flatten(1), "ious": iou.clamp(0, 1)}


def mean_and_largest() -> dict[str, np.ndarray]:
    random = torch.Generator().manual_seed(20269)
    x = torch.randn(9, 7, generator=random).double().requires_grad_()
    seed = torch.randn(9, 2, generator=random).double()
    out = torch.stack([x.mean(1), x.max(1)[0]], 1)
    (out * seed).sum().backward()
    values = {"x": x, "x.grad": x.grad, "out": out, "seed": seed}
    return {f"mean_and_largest.{key}": value.detach().float().numpy() for key, value in values.items()}


def main() -> None:
    global near_all
    for seed in range(50):
        near_all = []
        net = CenterMask().double()
        with torch.no_grad():
            fill(net, seed)
        losses = step(net)
        sum(losses.values()).backward()
        out = mean_and_largest()
        out |= {f"loss.{name}": loss.detach().float().reshape(1).numpy() for name, loss in losses.items()}
        out |= {f"grad.{our_name(name)}": p.grad.float().reshape(-1).numpy() for name, p in net.named_parameters()}
        for number in range(len(PICTURES)):
            out |= {f"{number}.{key}": value.float().contiguous().numpy() for key, value in detections(net, number).items()}
        print(seed, {name: round(loss.item(), 4) for name, loss in losses.items()}, "nearest", min(near_all))
        if min(near_all) > 3e-6:
            print("seed", seed)
            weights = {our_name(name): value.float().contiguous().numpy() for name, value in net.state_dict().items()}
            save_file(weights, HERE / "centermask_weights.safetensors")
            save_file(out, HERE / "centermask.safetensors")
            break


if __name__ == "__main__":
    main()
