"""Golden values of the parts of Mask R-CNN, computed by PyTorch and torchvision.

Writes `rcnn_ops.safetensors` beside this file, in the form that README.md describes: inputs `c.<name>`, output `c.out`, the
gradient `c.seed` put into the output, `c.<name>.grad`. Computed in float64, stored as float32. Host functions (boxes, anchors,
matching, masks) are computed in float32, because their results are compared exactly or nearly so.
"""

import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file
from torchvision.models.detection._utils import BoxCoder, Matcher
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import paste_masks_in_image
from torchvision.ops import batched_nms, box_iou, nms, roi_align
from torchvision.ops.poolers import LevelMapper

SEED = 20265
tensors: dict[str, np.ndarray] = {}
random = torch.Generator().manual_seed(SEED)


def draw(*shape: int, scale: float = 1.0, grad: bool = True) -> torch.Tensor:
    """A leaf of normal values that float32 holds exactly."""
    values = (torch.randn(*shape, generator=random) * scale).double()
    return values.requires_grad_(grad)


def put(name: str, value: torch.Tensor) -> None:
    tensors[name] = value.detach().float().contiguous().numpy()


def case(name: str, out: torch.Tensor, inputs: dict[str, torch.Tensor]) -> None:
    """Stores a case whose tensors are matrices in the crate's layout already."""
    seed = torch.randn(out.shape, generator=random).double()
    (out * seed).sum().backward()
    put(f"{name}.out", out)
    put(f"{name}.seed", seed)
    for key, leaf in inputs.items():
        put(f"{name}.{key}", leaf)
        if leaf.requires_grad:
            put(f"{name}.{key}.grad", leaf.grad)


def image(rows: torch.Tensor, batch: int, height: int, width: int) -> torch.Tensor:
    """[batch * height * width, channels] -> [batch, channels, height, width]."""
    return rows.reshape(batch, height, width, -1).permute(0, 3, 1, 2)


def rows(image: torch.Tensor) -> torch.Tensor:
    """The inverse of `image`."""
    return image.permute(0, 2, 3, 1).reshape(-1, image.shape[1])


def ops() -> None:
    x, add = draw(2 * 3 * 4, 5), draw(2 * 6 * 8, 5)
    case("nearest", rows(F.interpolate(image(x, 2, 3, 4), size=(6, 8), mode="nearest")) + add, {"x": x, "add": add})

    x, weight, bias = draw(2 * 3 * 5, 4), draw(4, 2 * 2 * 3), draw(1, 3)
    kernel = weight.reshape(4, 2, 2, 3).permute(0, 3, 1, 2)
    y = F.conv_transpose2d(image(x, 2, 3, 5), kernel, bias[0], stride=2).relu()
    case("conv_transpose", rows(y), {"x": x, "weight": weight, "bias": bias})

    for name, beta in [("l1", 0.0), ("smooth_l1", 1 / 9)]:
        x, target = draw(9, 4, scale=0.3), draw(9, 4, scale=0.3, grad=False)
        loss = F.l1_loss(x, target, reduction="sum") if beta == 0 else F.smooth_l1_loss(x, target, beta=beta, reduction="sum")
        case(name, (loss / 3).reshape(1, 1), {"x": x, "targets": target})


def pooling() -> None:
    """Boxes inside, across every border, outside, below a pixel, without area, and 40 pixels wide, on a map of 12 x 16 pixels."""
    boxes = torch.tensor(
        [
            [0, 4.3, 5.1, 30.7, 29.9],
            [1, -9.4, -7.2, 21.3, 18.8],
            [0, 40.2, 30.4, 80.9, 61.3],
            [1, 90.0, 70.0, 130.0, 95.0],
            [0, 11.2, 9.3, 12.1, 10.4],
            [1, 17.0, 13.0, 17.0, 13.0],
            [0, 3.1, 20.2, 43.1, 33.3],
            [1, 22.5, 11.5, 8.5, 6.5],
        ]
    ).double()
    put("roi_align.rois", boxes)
    for aligned in [False, True]:
        for sampling in [0, 2]:
            for side in [7, 14]:
                x = draw(2 * 12 * 16, 3)
                y = roi_align(image(x, 2, 12, 16), boxes, side, 0.25, sampling, aligned)
                case(f"roi_align.{int(aligned)}.{sampling}.{side}", rows(y), {"x": x})


def some_boxes(count: int, side: float) -> torch.Tensor:
    corner = torch.rand(count, 2, generator=random) * side
    size = 1 + torch.rand(count, 2, generator=random) * side / 2
    return torch.cat([corner, corner + size], 1)


def boxes() -> None:
    a, b = some_boxes(12, 60.0), some_boxes(9, 60.0)
    put("boxes.a", a), put("boxes.b", b), put("boxes.iou", box_iou(a, b))
    for name, weights in [("unit", (1.0, 1.0, 1.0, 1.0)), ("box_head", (10.0, 10.0, 5.0, 5.0))]:
        coder = BoxCoder(weights)
        truth = some_boxes(12, 60.0)
        put(f"coder.{name}.truth", truth), put(f"coder.{name}.encoded", coder.encode_single(truth, a))
        deltas = torch.randn(12, 4, generator=random) * torch.tensor(weights) * 0.4
        # Beyond the bound of ln(1000 / 16).
        deltas[0, 2], deltas[1, 3], deltas[2, 2] = 5.0 * weights[2], 9.0 * weights[3], -6.0 * weights[2]
        put(f"coder.{name}.deltas", deltas), put(f"coder.{name}.decoded", coder.decode_single(deltas, a))

    found = torch.cat([some_boxes(40, 50.0), torch.tensor([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 5.0], [2.0, 2.0, 4.0, 4.0]])])
    scores = torch.rand(43, generator=random)
    groups = torch.randint(0, 3, (43,), generator=random)
    put("nms.boxes", found), put("nms.scores", scores), put("nms.groups", groups)
    for threshold in [0.3, 0.5, 0.7]:
        put(f"nms.kept.{threshold}", nms(found, scores, threshold))
        put(f"nms.batched.{threshold}", batched_nms(found, scores, groups, threshold))


def anchors() -> None:
    class Exact(AnchorGenerator):
        """Base anchors that are not rounded, as in detectron2."""

        def generate_anchors(self, scales, aspect_ratios, dtype=torch.float32, device=torch.device("cpu")):
            scales, ratios = torch.as_tensor(scales, dtype=dtype), torch.as_tensor(aspect_ratios, dtype=dtype)
            heights = torch.sqrt(ratios)
            ws, hs = ((1 / heights)[:, None] * scales[None]).view(-1), (heights[:, None] * scales[None]).view(-1)
            return torch.stack([-ws, -hs, ws, hs], 1) / 2

    sizes, ratios = tuple((s,) for s in (32, 64, 128, 256, 512)), ((0.5, 1.0, 2.0),) * 5
    for name, kind in [("rounded", AnchorGenerator), ("exact", Exact)]:
        for height, width in [(96, 128), (128, 160)]:
            pixels = torch.zeros(1, 3, height, width)
            maps = [torch.zeros(1, 1, height // 2**level, width // 2**level) for level in range(2, 6)]
            maps.append(maps[-1][:, :, ::2, ::2])
            out = kind(sizes, ratios)(ImageList(pixels, [(height, width)]), maps)[0]
            put(f"anchors.{name}.{height}.{width}", out)

    sides = torch.tensor([111.999, 112.0, 112.001, 224.0, 448.0, 5.0, 2000.0])
    some = torch.stack([torch.zeros(7), torch.zeros(7), sides, sides], 1)
    put("levels.sides", sides), put("levels.torchvision", LevelMapper(2, 5)([some]) + 2)
    put("levels.detectron2", torch.clamp(torch.floor(4 + torch.log2(sides / 224 + 1e-8)), 2, 5))


def matching() -> None:
    """Rows are objects, columns are anchors."""
    for name, iou in [
        ("plain", [[0.8, 0.2, 0.35, 0.0], [0.1, 0.2, 0.6, 0.0]]),
        ("ties", [[0.5, 0.5, 0.3, 0.1], [0.2, 0.65, 0.65, 0.29999]]),
        ("zero_row", [[0.8, 0.2, 0.35, 0.0], [0.1, 0.2, 0.6, 0.0], [0.0, 0.0, 0.0, 0.0]]),
        ("bounds", [[0.7, 0.3, 0.69999, 0.29999, 0.1]]),
    ]:
        iou = torch.tensor(iou)
        put(f"matcher.{name}.iou", iou)
        put(f"matcher.{name}.rpn", Matcher(0.7, 0.3, allow_low_quality_matches=True)(iou))
        put(f"matcher.{name}.heads", Matcher(0.5, 0.5, allow_low_quality_matches=False)(iou))


def pasting() -> None:
    masks = torch.rand(6, 1, 28, 28, generator=random)
    where = torch.tensor(
        [[3.2, 4.1, 20.7, 30.3], [-8.5, -3.5, 12.5, 9.5], [30.1, 20.2, 55.5, 44.4], [10.0, 10.0, 10.6, 18.0], [0.0, 0.0, 48.0, 36.0], [5.5, 30.5, 9.0, 31.2]]
    )
    height, width = 36, 48
    put("paste.masks", masks[:, 0].reshape(6, -1)), put("paste.boxes", where)
    put("paste.torchvision", paste_masks_in_image(masks, where, (height, width))[:, 0].reshape(6, -1))
    # detectron2's rule: the mask is read at the centres of the picture's pixels.
    x1, y1, x2, y2 = where.double()[:, :, None].unbind(1)
    ys = (torch.arange(height).double() + 0.5 - y1) / (y2 - y1) * 2 - 1
    xs = (torch.arange(width).double() + 0.5 - x1) / (x2 - x1) * 2 - 1
    grid = torch.stack([xs[:, None, :].expand(6, height, width), ys[:, :, None].expand(6, height, width)], 3)
    put("paste.detectron2", F.grid_sample(masks.double(), grid, align_corners=False)[:, 0].reshape(6, -1))


for part in [ops, pooling, boxes, anchors, matching, pasting]:
    part()
save_file(tensors, pathlib.Path(__file__).parent / "rcnn_ops.safetensors")
