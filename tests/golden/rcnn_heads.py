"""Golden values of the heads that other systems add to Mask R-CNN, computed by PyTorch in float64 from their formulas.

Writes `rcnn_heads.safetensors` beside this file:

- `logistic.*`: in the form that README.md describes;
- `flat.*`, `scoring.*`: a mask head with an IoU head of PAIS or of Mask Scoring R-CNN: the regions, the weights by our names in the
  reference's order, the own masks and the IoU, the gradients put into both, and those that come back;
- `ntm.*`: the same of Noisy Boundaries' mask head with its coarse logits;
- `query.*`: the masks of queries that are made of coarse and fine ones, a crossing of our own;
- `bpm.<reduction>.<padding>.*`: losses and gradients of its final and coarse logits with the boundary weights.

The head and the loss of Noisy Boundaries are those of its `fcn_mask_head_ntm.py` and `cross_entropy_loss.py`, the IoU heads those of
PAIS' `fcn_mask_head_iou.py` and CenterMask2's `maskiou_head.py`, each written down here as a formula.
"""

import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

SEED = 20268
REGIONS, CHANNELS, WIDTH, HIDDEN, CLASSES, SIDE, CONVS = 5, 5, 6, 8, 3, 4, 2
OWN = [2, 0, 1, 1, 2]
tensors: dict[str, np.ndarray] = {}
random = torch.Generator().manual_seed(SEED)


def draw(*shape: int, scale: float = 1.0) -> torch.Tensor:
    """A leaf of normal values that float32 holds exactly."""
    return (torch.randn(*shape, generator=random) * scale).double().requires_grad_()


def put(name: str, value: torch.Tensor) -> None:
    tensors[name] = value.detach().float().contiguous().numpy()


def rows(image: torch.Tensor) -> torch.Tensor:
    """[batch, channels, height, width] -> [batch * height * width, channels]."""
    return image.permute(0, 2, 3, 1).reshape(-1, image.shape[1])


class Weights(dict):
    """Layers by our names, drawn when they are first asked for."""

    def layer(self, name: str, *shape: int, outputs: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        if f"{name}.weight" not in self:
            fan = int(np.prod(shape[1:]))
            self[f"{name}.weight"] = draw(*shape, scale=(1.6 / fan) ** 0.5)
            self[f"{name}.bias"] = draw(outputs or shape[0], scale=0.1)
        return self[f"{name}.weight"], self[f"{name}.bias"]

    def conv(self, x: torch.Tensor, name: str, outputs: int, kernel: int = 3, stride: int = 1) -> torch.Tensor:
        w, b = self.layer(name, outputs, x.shape[1], kernel, kernel)
        return F.conv2d(x, w, b, stride=stride, padding=kernel // 2)

    def deconv(self, x: torch.Tensor, name: str, outputs: int) -> torch.Tensor:
        w, b = self.layer(name, x.shape[1], outputs, 2, 2, outputs=outputs)
        return F.conv_transpose2d(x, w, b, stride=2)

    def linear(self, x: torch.Tensor, name: str, outputs: int) -> torch.Tensor:
        w, b = self.layer(name, outputs, x.shape[1])
        return F.linear(x, w, b)

    def over_pixels(self, x: torch.Tensor, name: str, outputs: int) -> torch.Tensor:
        """A linear layer over all pixels: its weight is a kernel as large as the map."""
        w, b = self.layer(name, outputs, *x.shape[1:])
        return F.linear(x.flatten(1), w.flatten(1), b)


def plain(w: Weights, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mask logits of all classes, and the features before the doubling."""
    for number in range(1, CONVS + 1):
        x = w.conv(x, f"mask_head.mask_fcn{number}", WIDTH).relu()
    doubled = w.deconv(x, "mask_head.deconv", WIDTH).relu()
    return w.conv(doubled, "mask_head.predictor", CLASSES, kernel=1), x


def of_own_class(masks: torch.Tensor) -> torch.Tensor:
    return masks[torch.arange(REGIONS), OWN]


def store(name: str, w: Weights, regions: torch.Tensor, outputs: dict[str, torch.Tensor]) -> None:
    seeds = {key: torch.randn(out.shape, generator=random).double() for key, out in outputs.items()}
    sum((out * seeds[key]).sum() for key, out in outputs.items()).backward()
    put(f"{name}.regions", rows(regions)), put(f"{name}.regions.grad", rows(regions.grad))
    for key, out in outputs.items():
        put(f"{name}.{key}.out", out.reshape(-1, 1)), put(f"{name}.{key}.seed", seeds[key].reshape(-1, 1))
    for key, value in w.items():
        put(f"{name}.{key}", value.reshape(-1)), put(f"{name}.{key}.grad", value.grad.reshape(-1))


def iou_heads() -> None:
    w, regions = Weights(), draw(REGIONS, CHANNELS, SIDE, SIDE)
    masks, features = plain(w, regions)
    hidden = w.over_pixels(features, "mask_head.fc_iou_before", HIDDEN).relu()
    store("flat", w, regions, {"own": of_own_class(masks), "iou": w.linear(hidden, "mask_head.fc_iou", 1)})

    w, regions = Weights(), draw(REGIONS, CHANNELS, SIDE, SIDE)
    masks, _ = plain(w, regions)
    own = of_own_class(masks)
    x = torch.cat([regions, F.max_pool2d(own[:, None].sigmoid(), 2)], 1)
    for number in range(1, 5):
        x = w.conv(x, f"maskiou_head.maskiou_fcn{number}", WIDTH, stride=2 if number == 4 else 1).relu()
    x = w.over_pixels(x, "maskiou_head.maskiou_fc1", HIDDEN).relu()
    x = w.linear(x, "maskiou_head.maskiou_fc2", HIDDEN).relu()
    iou = w.linear(x, "maskiou_head.maskiou", CLASSES)[torch.arange(REGIONS), OWN]
    store("scoring", w, regions, {"own": own, "iou": iou})


def noise_tolerant(w: Weights, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Final logits of 2 SIDE x 2 SIDE and coarse ones of SIDE x SIDE, for all classes."""
    for number in range(1, CONVS):
        x = w.conv(x, f"mask_head.mask_fcn{number}", WIDTH).relu()
    fine = w.conv(x, f"mask_head.mask_fcn{CONVS}", WIDTH).relu()
    fine = w.conv(w.deconv(fine, "mask_head.deconv", WIDTH).relu(), "mask_head.predictor", CLASSES)
    for name in ["conv4_fc", "conv5_fc"]:
        x = w.conv(x, f"mask_head.{name}", WIDTH).relu()
    coarse = w.conv(x, "mask_head.conv_logits_coarse", CLASSES, kernel=1)
    both = torch.cat([w.deconv(coarse, "mask_head.upsample2", CLASSES), fine], 1)
    return w.conv(both, "mask_head.conv_logits_final", CLASSES, kernel=1), coarse


def boundary_loss(logits: torch.Tensor, targets: torch.Tensor, reduction: str, padding: str) -> torch.Tensor:
    """The mask loss of Noisy Boundaries with scale 3, for [N, S, S]."""
    if reduction == "released":
        return 3 * F.binary_cross_entropy_with_logits(logits, targets)
    p = logits.sigmoid().detach()[:, None]
    padded = F.pad(p, (1, 1, 1, 1), mode="constant" if padding == "zero" else "replicate")
    kernel = -torch.ones(1, 1, 3, 3, dtype=p.dtype)
    kernel[0, 0, 1, 1] = 8
    change = F.conv2d(padded, kernel).abs()[:, 0]
    weights = 3 * change / change.mean(dim=(1, 2), keepdim=True).clamp(min=1e-12)
    return (weights * F.binary_cross_entropy_with_logits(logits, targets, reduction="none")).mean()


def noisy_boundaries() -> None:
    w, regions = Weights(), draw(REGIONS, CHANNELS, SIDE, SIDE)
    final, coarse = noise_tolerant(w, regions)
    store("ntm", w, regions, {"own": of_own_class(final), "coarse": of_own_class(coarse)})
    # Objects that touch the frame of their region, and one in its middle.
    fine = torch.zeros(REGIONS, 2 * SIDE, 2 * SIDE)
    for i, (y1, y2, x1, x2) in enumerate([(0, 5, 0, 8), (2, 6, 2, 7), (0, 8, 3, 8), (4, 8, 0, 3), (1, 7, 0, 4)]):
        fine[i, y1:y2, x1:x2] = 1
    small = (F.avg_pool2d(fine[:, None], 2)[:, 0] >= 0.5).double()
    put("bpm.final.targets", fine.flatten(1)), put("bpm.coarse.targets", small.flatten(1))
    logits = {"final": draw(REGIONS, 2 * SIDE, 2 * SIDE, scale=2.0), "coarse": draw(REGIONS, SIDE, SIDE, scale=2.0)}
    for key, leaf in logits.items():
        put(f"bpm.{key}.logits", leaf.flatten(1))
    for reduction, padding in [("pixel", "zero"), ("pixel", "replicate"), ("released", "zero")]:
        for key, targets in [("final", fine.double()), ("coarse", small)]:
            leaf = logits[key]
            leaf.grad = None
            loss = boundary_loss(leaf, targets, reduction, padding)
            loss.backward()
            name = f"bpm.{reduction}.{padding}.{key}"
            put(f"{name}.loss", loss.reshape(1, 1)), put(f"{name}.grad", leaf.grad.flatten(1))


def queries() -> None:
    batch, count, width, channels, height, columns = 2, 3, 6, 4, 4, 6
    w = Weights()
    normed, embeddings = draw(batch * count, width), draw(batch * count, channels)
    pixels = draw(batch, channels, height, columns)
    x = normed
    for number, outputs in enumerate([width, width, channels]):
        x = w.linear(x, f"mask_coarse_embed.layers.{number}", outputs)
        x = x if number == 2 else x.relu()
    w["mask_coarse_fusion"] = torch.tensor([0.75, 1.25, -0.5]).double().requires_grad_()
    a, b, c = w["mask_coarse_fusion"]
    product = lambda e, f: torch.einsum("bqc,bchw->bqhw", e.reshape(batch, count, channels), f)
    coarse = product(x, F.avg_pool2d(pixels, 2))
    masks = a * F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False) + b * product(embeddings, pixels) + c
    outputs = {"masks": masks.reshape(batch * count, -1), "coarse": coarse.reshape(batch * count, -1)}
    seeds = {key: torch.randn(out.shape, generator=random).double() for key, out in outputs.items()}
    sum((out * seeds[key]).sum() for key, out in outputs.items()).backward()
    for key, out in outputs.items():
        put(f"query.{key}.out", out), put(f"query.{key}.seed", seeds[key])
    for key, value in {"normed": normed, "embeddings": embeddings, **w}.items():
        put(f"query.{key}", value.reshape(-1)), put(f"query.{key}.grad", value.grad.reshape(-1))
    put("query.pixels", rows(pixels)), put("query.pixels.grad", rows(pixels.grad))


def main() -> None:
    x = draw(7, 5, scale=3.0)
    out, seed = x.sigmoid(), torch.randn(7, 5, generator=random).double()
    (out * seed).sum().backward()
    put("logistic.x", x), put("logistic.x.grad", x.grad), put("logistic.out", out), put("logistic.seed", seed)
    iou_heads()
    noisy_boundaries()
    queries()
    save_file(tensors, pathlib.Path(__file__).parent / "rcnn_heads.safetensors")


main()
