"""A small Mask R-CNN of torchvision: its weights, losses, gradients and detections, with torchvision's and with detectron2's rules.

Writes `mask_rcnn_weights.safetensors` (torchvision's names, as `state_dict` gives them) and `mask_rcnn.safetensors` beside this file:

- `<rules>.loss.<term>`: the five losses of a training step on two pictures;
- `<rules>.grad.<our name>`: the gradient of every parameter of their sum, in the reference's order, without torchvision's rows for
  background that nothing reads;
- `<rules>.<picture>.boxes`, `.labels`, `.scores`, `.masks`: the detections of each picture.

The pictures, the objects and their masks are made by formulas that the test repeats. Sampling takes the first candidates, not random
ones. Run with the seeds from 0 until no two scores are too near each other for float32; prints the seed.
"""

import functools
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
import torchvision.models.detection.roi_heads as roi_heads
import torchvision.ops.poolers as poolers
from safetensors.numpy import save_file
from torch import nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.rpn import RegionProposalNetwork
from torchvision.models.resnet import Bottleneck
from torchvision.ops import FrozenBatchNorm2d, MultiScaleRoIAlign, roi_align

HERE = pathlib.Path(__file__).parent
CLASSES, STEM, WIDTHS, FPN, HIDDEN, MASK_WIDTH = 3, 8, (8, 8, 16, 16), 16, 32, 16
SIZES, RATIOS, STRIDES = (12, 24, 48, 96, 192), (0.5, 1.0, 2.0), (4, 8, 16, 32, 64)
PICTURES = [(96, 128), (96, 160)]
# (class, centre x, centre y, radius x, radius y) of the ellipses of each picture.
OBJECTS = [[(0, 40, 40, 25, 18), (2, 90, 60, 12, 30), (1, 20, 80, 9, 8)], [(1, 60, 50, 40, 30), (2, 130, 30, 15, 15)]]


class Body(nn.Module):
    """A ResNet of one bottleneck a stage, with torchvision's names."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, STEM, 7, 2, 3, bias=False)
        self.bn1 = FrozenBatchNorm2d(STEM)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels = STEM
        for stage, width in enumerate(WIDTHS):
            stride = 1 if stage == 0 else 2
            shortcut = nn.Sequential(nn.Conv2d(channels, 4 * width, 1, stride, bias=False), FrozenBatchNorm2d(4 * width))
            block = Bottleneck(channels, width, stride, shortcut, norm_layer=FrozenBatchNorm2d)
            setattr(self, f"layer{stage + 1}", nn.Sequential(block))
            channels = 4 * width


class Anchors(AnchorGenerator):
    """detectron2's anchors: not rounded, at the strides of the levels."""

    def generate_anchors(self, scales, aspect_ratios, dtype=torch.float32, device=torch.device("cpu")):
        scales, heights = torch.as_tensor(scales, dtype=dtype), torch.sqrt(torch.as_tensor(aspect_ratios, dtype=dtype))
        ws, hs = ((1 / heights)[:, None] * scales[None]).view(-1), (heights[:, None] * scales[None]).view(-1)
        return torch.stack([-ws, -hs, ws, hs], 1) / 2

    def grid_anchors(self, grid_sizes, strides):
        return super().grid_anchors(grid_sizes, [[torch.tensor(s), torch.tensor(s)] for s in STRIDES])


def model(rules: str) -> MaskRCNN:
    channels = [4 * width for width in WIDTHS]
    backbone = BackboneWithFPN(Body(), {f"layer{i + 1}": str(i) for i in range(4)}, channels, FPN)
    anchors = (AnchorGenerator if rules == "torchvision" else Anchors)(tuple((s,) for s in SIZES), (RATIOS,) * 5)
    sampling = 2 if rules == "torchvision" else 0
    pool = lambda side: MultiScaleRoIAlign(["0", "1", "2", "3"], side, sampling, canonical_scale=56)
    return MaskRCNN(
        backbone,
        min_size=96,
        max_size=160,
        rpn_anchor_generator=anchors,
        box_roi_pool=pool(7),
        box_head=TwoMLPHead(FPN * 49, HIDDEN),
        box_predictor=FastRCNNPredictor(HIDDEN, CLASSES + 1),
        mask_roi_pool=pool(7),
        mask_head=MaskRCNNHeads(FPN, (MASK_WIDTH, MASK_WIDTH), 1),
        mask_predictor=MaskRCNNPredictor(MASK_WIDTH, MASK_WIDTH, CLASSES + 1),
        rpn_pre_nms_top_n_train=200,
        rpn_post_nms_top_n_train=100,
        rpn_pre_nms_top_n_test=100,
        rpn_post_nms_top_n_test=50,
        rpn_batch_size_per_image=64,
        box_batch_size_per_image=32,
        box_detections_per_img=10,
    )


def fill(net: MaskRCNN, seed: int) -> None:
    """Weights that keep activations near 1 and scores apart."""
    random = torch.Generator().manual_seed(seed)
    for name, value in net.state_dict().items():
        drawn = torch.randn(value.shape, generator=random)
        if "bn" in name or "downsample.1" in name:
            base = {"weight": 1.0, "running_var": 1.0}.get(name.split(".")[-1], 0.0)
            drawn = base + 0.2 * (drawn.abs() if name.endswith("running_var") else drawn)
        elif value.dim() == 1:
            drawn = 0.05 * drawn
        else:
            fan = value[0].numel() if "conv5_mask" not in name else value.shape[0]
            drawn = drawn * (1.4 / fan) ** 0.5
            if "cls_score" in name or "cls_logits" in name or "mask_fcn_logits" in name:
                drawn = 3 * drawn
            if "bbox_pred" in name:
                drawn = 0.3 * drawn
        value.copy_(drawn)


def splitmix(index: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        z = index.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def picture(number: int) -> torch.Tensor:
    """Noise in blocks of 8 pixels: value = the top byte of splitmix of (picture, row / 8, column / 8, colour)."""
    height, width = PICTURES[number]
    y, x, c = np.meshgrid(np.arange(height) // 8, np.arange(width) // 8, np.arange(3), indexing="ij")
    values = splitmix(((number * 100 + y) * 100 + x) * 3 + c) >> np.uint64(56)
    return torch.from_numpy(values.astype(np.float32) / 255).permute(2, 0, 1)


def target(number: int) -> dict[str, torch.Tensor]:
    height, width = PICTURES[number]
    y, x = np.meshgrid(np.arange(height) + 0.5, np.arange(width) + 0.5, indexing="ij")
    masks = [((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 <= 1 for _, cx, cy, rx, ry in OBJECTS[number]]
    boxes = [[np.where(m)[1].min(), np.where(m)[0].min(), np.where(m)[1].max() + 1, np.where(m)[0].max() + 1] for m in masks]
    return {
        "boxes": torch.tensor(np.array(boxes), dtype=torch.float32),
        "labels": torch.tensor([1 + kind for kind, *_ in OBJECTS[number]]),
        "masks": torch.tensor(np.array(masks), dtype=torch.uint8),
    }


def detectron2_rules() -> None:
    """Replaces the functions of torchvision that follow other rules than detectron2."""
    poolers.roi_align = functools.partial(roi_align, aligned=True)

    def level(self, boxlists):
        area = torch.cat([(b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1]) for b in boxlists])
        levels = torch.floor(4 + torch.log2(area.sqrt() / 56 + 1e-8))
        return (torch.clamp(levels, min=2, max=5) - 2).to(torch.int64)

    poolers.LevelMapper.__call__ = level

    def rpn_loss(self, objectness, deltas, labels, targets):
        positive, negative = self.fg_bg_sampler(labels)
        positive, negative = torch.where(torch.cat(positive))[0], torch.where(torch.cat(negative))[0]
        sampled = torch.cat([positive, negative])
        labels, targets = torch.cat(labels), torch.cat(targets)
        divisor = 64 * len(PICTURES)
        box = F.l1_loss(deltas[positive], targets[positive], reduction="sum") / divisor
        return F.binary_cross_entropy_with_logits(objectness.flatten()[sampled], labels[sampled], reduction="sum") / divisor, box

    RegionProposalNetwork.compute_loss = rpn_loss

    def fast_loss(logits, deltas, labels, targets):
        labels, targets = torch.cat(labels), torch.cat(targets)
        found = torch.where(labels > 0)[0]
        own = deltas.reshape(len(labels), -1, 4)[found, labels[found]]
        return F.cross_entropy(logits, labels), F.l1_loss(own, targets[found], reduction="sum") / labels.numel()

    roi_heads.fastrcnn_loss = fast_loss

    def project(masks, boxes, which, side):
        rois = torch.cat([which.to(boxes)[:, None], boxes], 1)
        return (roi_align(masks[:, None].to(rois), rois, side, 1.0, 0, True)[:, 0] >= 0.5).to(rois)

    roi_heads.project_masks_on_boxes = project


def our_name(name: str) -> str:
    """torchvision's name -> ours, which are detectron2's."""
    parts = name.split(".")
    if name.startswith("backbone.body.conv1"):
        return "backbone.bottom_up.stem.conv1." + parts[-1]
    if name.startswith("backbone.body.layer"):
        stage, inner = int(parts[2].removeprefix("layer")) + 1, parts[4]
        layer = "shortcut" if inner == "downsample" else inner
        return f"backbone.bottom_up.res{stage}.{parts[3]}.{layer}.{parts[-1]}"
    if name.startswith("backbone.fpn"):
        kind = {"inner_blocks": "fpn_lateral", "layer_blocks": "fpn_output"}[parts[2]]
        return f"backbone.{kind}{int(parts[3]) + 2}.{parts[-1]}"
    for theirs, ours in [
        ("rpn.head.conv.0.0", "proposal_generator.rpn_head.conv"),
        ("rpn.head.cls_logits", "proposal_generator.rpn_head.objectness_logits"),
        ("rpn.head.bbox_pred", "proposal_generator.rpn_head.anchor_deltas"),
        ("roi_heads.box_head.fc6", "roi_heads.box_head.fc1"),
        ("roi_heads.box_head.fc7", "roi_heads.box_head.fc2"),
        ("roi_heads.mask_predictor.conv5_mask", "roi_heads.mask_head.deconv"),
        ("roi_heads.mask_predictor.mask_fcn_logits", "roi_heads.mask_head.predictor"),
    ]:
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    if name.startswith("roi_heads.mask_head."):
        return f"roi_heads.mask_head.mask_fcn{int(parts[2]) + 1}.{parts[-1]}"
    return name


def our_rows(name: str, value: torch.Tensor) -> torch.Tensor:
    """torchvision's rows -> ours: background is the last class, and has no deltas and no mask."""
    if "cls_score" in name:
        return torch.cat([value[1:], value[:1]])
    unread = 4 if "box_predictor.bbox_pred" in name else 1 if "mask_fcn_logits" in name else 0
    assert not unread or value[:unread].abs().max() == 0, name
    return value[unread:]


def steps(rules: str, weights: dict[str, torch.Tensor]) -> tuple[dict[str, np.ndarray], float]:
    """The numbers of the model, and the smallest distance of two scores."""
    out: dict[str, np.ndarray] = {}
    net = model(rules)
    net.load_state_dict(weights)
    net.train()
    losses = net([picture(0), picture(1)], [target(0), target(1)])
    for theirs, ours in [
        ("loss_classifier", "class"),
        ("loss_box_reg", "box"),
        ("loss_mask", "mask"),
        ("loss_objectness", "rpn-objectness"),
        ("loss_rpn_box_reg", "rpn-box"),
    ]:
        out[f"{rules}.loss.{ours}"] = losses[theirs].detach().reshape(1).numpy()
    sum(losses.values()).backward()
    for name, parameter in net.named_parameters():
        out[f"{rules}.grad.{our_name(name)}"] = our_rows(name, parameter.grad).reshape(-1).contiguous().numpy()

    net.eval()
    net.roi_heads.mask_predictor.register_forward_hook(lambda _, __, logits: small.append(logits))
    gap = 1.0
    for number in range(len(PICTURES)):
        small: list[torch.Tensor] = []
        with torch.no_grad():
            found = net([picture(number)])[0]
        labels = found["labels"]
        masks = small[0][torch.arange(len(labels)), labels].sigmoid()
        out[f"{rules}.{number}.boxes"] = found["boxes"].numpy()
        out[f"{rules}.{number}.labels"] = (labels - 1).float().numpy()
        out[f"{rules}.{number}.scores"] = found["scores"].numpy()
        out[f"{rules}.{number}.masks"] = masks.reshape(len(labels), -1).numpy()
        print(rules, number, len(labels), found["scores"].numpy().round(3))
        gap = min([gap, *(-np.diff(found["scores"].numpy())).tolist()])
    print({key: float(value[0]) for key, value in out.items() if ".loss." in key})
    return out, gap


def first_candidates() -> None:
    """Sampling takes the first candidates, not random ones."""
    torch.randperm = lambda count, **kwargs: torch.arange(count)


def main() -> None:
    first_candidates()
    for seed in range(20):
        base = model("torchvision")
        with torch.no_grad():
            fill(base, seed)
        weights = base.state_dict()
        originals = (poolers.roi_align, poolers.LevelMapper.__call__, RegionProposalNetwork.compute_loss, roi_heads.fastrcnn_loss, roi_heads.project_masks_on_boxes)
        plain, first_gap = steps("torchvision", weights)
        detectron2_rules()
        other, second_gap = steps("detectron2", weights)
        (poolers.roi_align, poolers.LevelMapper.__call__, RegionProposalNetwork.compute_loss, roi_heads.fastrcnn_loss, roi_heads.project_masks_on_boxes) = originals
        if min(first_gap, second_gap) > 1e-4:
            print("seed", seed)
            save_file({name: value.contiguous().numpy() for name, value in weights.items()}, HERE / "mask_rcnn_weights.safetensors")
            save_file(plain | other, HERE / "mask_rcnn.safetensors")
            break


if __name__ == "__main__":
    main()
