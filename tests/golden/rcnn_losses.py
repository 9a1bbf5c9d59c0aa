"""Golden values of losses of two-stage detectors and of the parts of Mask R-CNN, computed by PyTorch and torchvision in float64.

Writes `rcnn_losses.safetensors` beside this file:

- `focal.*`, `giou.*`: in the form that README.md describes;
- `fpn.*`: four maps, the weights in the reference's order, the levels, the gradients put into them and those that come back;
- `<rules>.rpn.*`: the predictions for the anchors of two pictures, both losses, and the gradients of their sum;
- `<rules>.heads.*`: the losses of the heads for regions that are given, and the gradients of their sum by features and weights.

`<rules>` are torchvision's and detectron2's. torchvision's own modules compute all of them; for detectron2's rules with the functions
that `mask_rcnn.py` replaces. The gradients are in the reference's order, without torchvision's rows for background that nothing reads.
"""

import pathlib

import mask_rcnn
import numpy as np
import torch
from mask_rcnn import our_name, our_rows
from safetensors.numpy import save_file
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign, generalized_box_iou_loss, sigmoid_focal_loss
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

SEED = 20266
CLASSES, WIDTH, HIDDEN, MASK_WIDTH = 3, 4, 16, 8
tensors: dict[str, np.ndarray] = {}
random = torch.Generator().manual_seed(SEED)


def draw(*shape: int, scale: float = 1.0, grad: bool = True) -> torch.Tensor:
    """A leaf of normal values that float32 holds exactly."""
    return (torch.randn(*shape, generator=random) * scale).double().requires_grad_(grad)


def put(name: str, value: torch.Tensor) -> None:
    tensors[name] = value.detach().float().contiguous().numpy()


def case(name: str, out: torch.Tensor, inputs: dict[str, torch.Tensor]) -> None:
    seed = torch.randn(out.shape, generator=random).double()
    (out * seed).sum().backward()
    put(f"{name}.out", out), put(f"{name}.seed", seed)
    for key, leaf in inputs.items():
        put(f"{name}.{key}", leaf)
        if leaf.requires_grad:
            put(f"{name}.{key}.grad", leaf.grad)


def rows(image: torch.Tensor) -> torch.Tensor:
    """[batch, channels, height, width] -> [batch * height * width, channels]."""
    return image.permute(0, 2, 3, 1).reshape(-1, image.shape[1])


def fill(module: torch.nn.Module) -> torch.nn.Module:
    """Random weights that keep activations near 1."""
    module.double()
    with torch.no_grad():
        for value in module.parameters():
            fan = value[0].numel() if value.dim() > 1 else 400
            value.copy_((torch.randn(value.shape, generator=random) * (1.4 / fan) ** 0.5).float())
    return module


def losses() -> None:
    for name, alpha, gamma in [("focal", 0.25, 2.0), ("focal_plain", -1.0, 1.5), ("focal_zero", 0.75, 0.0)]:
        x = draw(11, 6, scale=3.0)
        targets = (torch.rand(11, 6, generator=random) < 0.3).double()
        targets[3] = torch.rand(6, generator=random).double()
        loss = sigmoid_focal_loss(x, targets, alpha, gamma, reduction="sum")
        case(name, (loss / 3).reshape(1, 1), {"logits": x, "targets": targets})

    corner, size = torch.rand(14, 2, generator=random) * 20, 1 + torch.rand(14, 2, generator=random) * 30
    boxes = torch.cat([corner, corner + size], 1)
    moved = boxes + torch.randn(14, 4, generator=random) * 4
    # One inside the other, one beside the other, one below and to the right, and one without area.
    boxes[0], moved[0] = torch.tensor([4.0, 5.0, 20.0, 21.0]), torch.tensor([7.0, 8.0, 11.5, 14.0])
    boxes[1], moved[1] = torch.tensor([0.0, 0.0, 6.0, 8.0]), torch.tensor([9.0, 1.0, 14.0, 7.0])
    boxes[2], moved[2] = torch.tensor([30.0, 31.0, 36.0, 40.0]), torch.tensor([3.0, 2.0, 8.0, 9.0])
    boxes[3] = torch.tensor([5.0, 6.0, 5.0, 9.0])
    # In order, with sides above 1.
    moved[:, 2:] = torch.maximum(moved[:, 2:], moved[:, :2] + 1)
    x, targets = boxes.double().requires_grad_(), moved.double()
    case("giou", (generalized_box_iou_loss(x, targets, reduction="sum") / 3).reshape(1, 1), {"boxes": x, "targets": targets})


def pyramid() -> None:
    channels, sizes = [8, 16, 32, 64], [(12, 16), (6, 8), (3, 4), (2, 2)]
    net = fill(FeaturePyramidNetwork(channels, 8, LastLevelMaxPool()))
    maps = [draw(2, c, *size) for c, size in zip(channels, sizes)]
    levels = list(net({str(i): x for i, x in enumerate(maps)}).values())
    seeds = [torch.randn(level.shape, generator=random).double() for level in levels]
    sum((level * seed).sum() for level, seed in zip(levels, seeds)).backward()
    for i, x in enumerate(maps):
        put(f"fpn.res{i + 2}", rows(x)), put(f"fpn.res{i + 2}.grad", rows(x.grad))
    for i, (level, seed) in enumerate(zip(levels, seeds)):
        put(f"fpn.p{i + 2}", rows(level)), put(f"fpn.p{i + 2}.seed", rows(seed))
    for name, value in net.named_parameters():
        ours = our_name(f"backbone.fpn.{name}").removeprefix("backbone.")
        put(f"fpn.{ours}", value.reshape(-1)), put(f"fpn.{ours}.grad", value.grad.reshape(-1))


# Pictures of 32 x 48 for anchors, of 96 x 160 for regions, and what is in them: class, rectangle.
SMALL, LARGE = (32, 48), (96, 160)
SMALL_OBJECTS = [[(0, 4, 6, 20, 22), (2, 25, 3, 44, 30)], [(1, 10, 10, 21, 16)]]
LARGE_OBJECTS = [[(0, 12, 20, 60, 52), (2, 70, 6, 118, 90)], [(1, 30, 40, 47, 61), (0, 5, 8, 20, 26)]]
# Some of each level, one that overlaps two objects, and one beside all.
REGIONS = [
    [(13, 18, 57, 55), (68, 9, 120, 93), (40, 25, 90, 60), (0, 0, 30, 12), (71, 4, 117, 81), (10, 22, 62, 50)],
    [(28, 41, 48, 60), (4, 9, 22, 25), (3, 6, 19, 27), (0, 0, 150, 96), (32, 38, 46, 63)],
]


def rectangles(objects: list[tuple[int, ...]], size: tuple[int, int]) -> dict[str, torch.Tensor]:
    masks = torch.zeros(len(objects), *size, dtype=torch.uint8)
    for mask, (_, x1, y1, x2, y2) in zip(masks, objects):
        mask[y1:y2, x1:x2] = 1
    # Without the upper right corner, so that a mask is not the same from each side.
    for mask, (_, x1, y1, x2, y2) in zip(masks, objects):
        mask[y1 + 1 : (y1 + y2) // 2, (x1 + x2) // 2 : x2 - 1] = 0
    boxes = torch.tensor([o[1:] for o in objects]).double()
    return {"boxes": boxes, "labels": torch.tensor([1 + o[0] for o in objects]), "masks": masks}


def anchors_and_losses(rules: str, x: torch.Tensor, d: torch.Tensor) -> None:
    kind = AnchorGenerator if rules == "torchvision" else mask_rcnn.Anchors
    generator = kind(tuple((s,) for s in (6, 12, 24, 48, 96)), (mask_rcnn.RATIOS,) * 5)
    height, width = SMALL
    maps = [torch.zeros(2, 1, height // s, width // s) for s in (4, 8, 16, 32)]
    maps.append(maps[-1][:, :, ::2, ::2])
    rpn = RegionProposalNetwork(generator, torch.nn.Identity(), 0.7, 0.3, 64, 0.5, {}, {}, 0.7)
    anchors = [a.double() for a in generator(ImageList(torch.zeros(2, 3, height, width), [SMALL] * 2), maps)]
    assert 2 * len(anchors[0]) == len(x), (len(anchors[0]), len(x))
    labels, matched = rpn.assign_targets_to_anchors(anchors, [rectangles(o, SMALL) for o in SMALL_OBJECTS])
    objectness, box = rpn.compute_loss(x, d, labels, rpn.box_coder.encode(matched, anchors))
    x.grad, d.grad = None, None
    (objectness + box).backward()
    put(f"{rules}.rpn.losses", torch.stack([objectness, box]))
    put(f"{rules}.rpn.objectness.grad", x.grad), put(f"{rules}.rpn.deltas.grad", d.grad)


def heads_and_losses(rules: str, heads: RoIHeads, maps: list[torch.Tensor]) -> None:
    heads.box_roi_pool.sampling_ratio = heads.mask_roi_pool.sampling_ratio = 2 if rules == "torchvision" else 0
    features = {str(i): x for i, x in enumerate(maps)}
    regions = [torch.tensor(r).double() for r in REGIONS]
    _, found = heads(features, regions, [LARGE] * 2, [rectangles(o, LARGE) for o in LARGE_OBJECTS])
    for leaf in [*maps, *heads.parameters()]:
        leaf.grad = None
    sum(found.values()).backward()
    put(f"{rules}.heads.losses", torch.stack([found[key] for key in ["loss_classifier", "loss_box_reg", "loss_mask"]]))
    for i, x in enumerate(maps):
        put(f"{rules}.heads.p{i + 2}.grad", rows(x.grad))
    for name, value in heads.named_parameters():
        name = f"roi_heads.{name}"
        put(f"{rules}.heads.{our_name(name)}.grad", our_rows(name, value.grad).reshape(-1))


def main() -> None:
    mask_rcnn.first_candidates()
    losses()
    pyramid()
    count = 3 * sum((SMALL[0] // s) * (SMALL[1] // s) for s in (4, 8, 16, 32)) + 3
    x, d = draw(2 * count, 1), draw(2 * count, 4, scale=0.3)
    put("rpn.objectness", x), put("rpn.deltas", d)
    pool = lambda side: MultiScaleRoIAlign(["0", "1", "2", "3"], side, 2, canonical_scale=56)
    heads = RoIHeads(
        pool(3),
        TwoMLPHead(WIDTH * 9, HIDDEN),
        FastRCNNPredictor(HIDDEN, CLASSES + 1),
        0.5, 0.5, 32, 0.25, None, 0.05, 0.5, 10,
        pool(4),
        MaskRCNNHeads(WIDTH, (MASK_WIDTH,), 1),
        MaskRCNNPredictor(MASK_WIDTH, MASK_WIDTH, CLASSES + 1),
    )  # fmt: skip
    fill(heads).train()
    maps = [draw(2, WIDTH, LARGE[0] // s, LARGE[1] // s) for s in (4, 8, 16, 32)]
    for i, map_ in enumerate(maps):
        put(f"heads.p{i + 2}", rows(map_))
    with torch.no_grad():
        heads.box_predictor.bbox_pred.weight[:4] = heads.mask_predictor.mask_fcn_logits.weight[:1] = 0
        heads.box_predictor.bbox_pred.bias[:4] = heads.mask_predictor.mask_fcn_logits.bias[:1] = 0
    for name, value in heads.named_parameters():
        name = f"roi_heads.{name}"
        put(f"heads.{our_name(name)}", our_rows(name, value).reshape(-1))
    for rules in ["torchvision", "detectron2"]:
        if rules == "detectron2":
            mask_rcnn.detectron2_rules()
        anchors_and_losses(rules, x, d)
        heads_and_losses(rules, heads, maps)
    save_file(tensors, pathlib.Path(__file__).parent / "rcnn_losses.safetensors")


main()
