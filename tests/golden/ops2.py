"""Golden values and gradients of the attention, sampling and loss ops, computed by PyTorch.

Writes `ops2.safetensors` beside this file. For a case `c`: inputs `c.<name>`, output `c.out`, the gradient `c.seed` put into
the output, and `c.<name>.grad` of every input that has one. All in the crate's layout: matrices in float32, a feature map
[batch * height * width, channels], tokens [batch * length, width]. Computed in float64.
"""

import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

SEED = 20261
tensors: dict[str, np.ndarray] = {}
random = torch.Generator().manual_seed(SEED)


def draw(*shape: int, scale: float = 1.0, grad: bool = True) -> torch.Tensor:
    """A leaf of normal values that float32 holds exactly."""
    values = (torch.randn(*shape, generator=random) * scale).double()
    return values.requires_grad_(grad)


def uniform(*shape: int, low: float = 0.0, high: float = 1.0) -> torch.Tensor:
    return (low + (high - low) * torch.rand(*shape, generator=random)).double()


def case(name: str, out: torch.Tensor, inputs: dict[str, torch.Tensor]) -> None:
    """Stores a case whose tensors are matrices in the crate's layout already."""
    seed = torch.randn(out.shape, generator=random).double()
    (out * seed).sum().backward()

    def put(key: str, value: torch.Tensor) -> None:
        tensors[f"{name}.{key}"] = value.detach().float().contiguous().numpy()

    put("out", out)
    put("seed", seed)
    for key, leaf in inputs.items():
        put(key, leaf)
        if leaf.requires_grad:
            put(f"{key}.grad", leaf.grad)


def layer_norm() -> None:
    x, residual, gamma, beta = draw(5, 19), draw(5, 19), draw(1, 19), draw(1, 19)
    y = F.layer_norm(x + residual, (19,), gamma[0], beta[0], 1e-5)
    case("layer_norm", y, {"x": x, "residual": residual, "gamma": gamma, "beta": beta})


def attention() -> None:
    batch, queries, memory, heads, head = 2, 3, 7, 2, 4
    for name, masked in [("attention", False), ("attention_masked", True)]:
        width = heads * head
        q, k, v = draw(batch * queries, width), draw(batch * memory, width), draw(batch * memory, width)
        inputs = {"q": q, "k": k, "v": v}
        mask = None
        if masked:
            blocked = uniform(batch, queries, memory) < 0.6
            blocked[0, 1] = True
            inputs["blocked"] = blocked.double().reshape(-1, memory)
            # A query that is blocked everywhere attends everywhere.
            mask = ~(blocked & ~blocked.all(-1, keepdim=True))[:, None]
        split = lambda x, n: x.reshape(batch, n, heads, head).transpose(1, 2)
        y = F.scaled_dot_product_attention(split(q, queries), split(k, memory), split(v, memory), attn_mask=mask)
        case(name, y.transpose(1, 2).reshape(batch * queries, width), inputs)


def deform_attention() -> None:
    batch, queries, heads, head, points = 2, 5, 2, 8, 2
    levels = [(2, 3), (5, 4), (1, 6)]
    tokens, samples = sum(h * w for h, w in levels), len(levels) * points
    value = draw(batch * tokens, heads * head)
    offsets = draw(batch * queries, heads * samples * 2, scale=1.5)
    weights = draw(batch * queries, heads * samples)
    reference = uniform(queries, 2)
    share = weights.reshape(batch, queries, heads, samples).softmax(-1).reshape(batch, queries, heads, len(levels), points)
    offset = offsets.reshape(batch, queries, heads, len(levels), points, 2)
    total, start = 0, 0
    for level, (h, w) in enumerate(levels):
        plane = value.reshape(batch, tokens, heads, head)[:, start : start + h * w]
        plane = plane.permute(0, 2, 3, 1).reshape(batch * heads, head, h, w)
        place = reference[None, :, None, None] + offset[:, :, :, level] / torch.tensor([w, h], dtype=torch.float64)
        grid = 2 * place.transpose(1, 2).reshape(batch * heads, queries, points, 2) - 1
        read = F.grid_sample(plane, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        factor = share[:, :, :, level].transpose(1, 2).reshape(batch * heads, 1, queries, points)
        total = total + (read * factor).sum(-1)
        start += h * w
    y = total.reshape(batch, heads, head, queries).permute(0, 3, 1, 2).reshape(batch * queries, heads * head)
    case("deform_attention", y, {"value": value, "offsets": offsets, "weights": weights, "reference": reference})


def resize() -> None:
    batch, channels = 2, 3
    for name, (h, w), (h2, w2) in [("resize_up", (3, 4), (6, 8)), ("resize_odd", (5, 7), (8, 3)), ("resize_down", (8, 8), (2, 4))]:
        x, add = draw(batch * h * w, channels), draw(batch * h2 * w2, channels)
        image = x.reshape(batch, h, w, channels).permute(0, 3, 1, 2)
        y = F.interpolate(image, (h2, w2), mode="bilinear", align_corners=False)
        case(name, y.permute(0, 2, 3, 1).reshape(-1, channels) + add, {"x": x, "add": add})


def point_sample() -> None:
    h, w, rows, points = 5, 7, [2, 0, 2, 3], 19
    planes, place = draw(4, h * w), uniform(len(rows), points * 2, low=-0.2, high=1.2)
    grid = 2 * place.reshape(len(rows), points, 1, 2) - 1
    y = F.grid_sample(planes.reshape(4, 1, h, w)[rows], grid, padding_mode="zeros", align_corners=False)
    case("point_sample", y.reshape(len(rows), points), {"planes": planes, "points": place})


def mask_product() -> None:
    batch, queries, channels, area = 2, 3, 5, 6
    e, f = draw(batch * queries, channels), draw(batch * area, channels)
    y = torch.einsum("bqc,bpc->bqp", e.reshape(batch, queries, channels), f.reshape(batch, area, channels))
    case("mask_product", y.reshape(-1, area), {"embeddings": e, "pixels": f})


def losses() -> None:
    logits, classes = draw(6, 4, scale=2.0), torch.tensor([0, 3, 3, 1, 2, 3])
    class_weight = torch.tensor([1.0, 1.0, 1.0, 0.1], dtype=torch.float64)
    y = F.cross_entropy(logits, classes, class_weight)
    case("cross_entropy", y.reshape(1, 1), {"logits": logits})

    rows, points, masks = 3, 21, 2.0
    for name in ["bce", "bce_weighted"]:
        logits, target = draw(rows, points, scale=3.0), uniform(rows, points)
        inputs = {"logits": logits, "targets": target}
        loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
        if name == "bce_weighted":
            inputs["weights"] = uniform(rows, points)
            loss = loss * inputs["weights"]
        case(name, (loss.mean(1).sum() / masks).reshape(1, 1), inputs)

    logits, target = draw(rows, points, scale=3.0), uniform(rows, points)
    p = logits.sigmoid()
    dice = 1 - (2 * (p * target).sum(1) + 1) / (p.sum(1) + target.sum(1) + 1)
    case("dice", (dice.sum() / masks).reshape(1, 1), {"logits": logits, "targets": target})


def mask_pool() -> None:
    batch, area, channels, images = 2, 6, 5, [1, 0, 1]
    f, weights = draw(batch * area, channels), uniform(len(images), area)
    y = torch.einsum("np,npc->nc", weights, f.reshape(batch, area, channels)[images])
    case("mask_pool", y / (weights.sum(1, keepdim=True) + 1e-8), {"features": f, "weights": weights})


def glue() -> None:
    x = draw(4, 7)
    case("normalize", F.normalize(x, dim=1), {"x": x})


if __name__ == "__main__":
    layer_norm()
    attention()
    deform_attention()
    resize()
    point_sample()
    mask_product()
    losses()
    mask_pool()
    glue()
    path = pathlib.Path(__file__).with_name("ops2.safetensors")
    save_file(dict(sorted(tensors.items())), path, {"torch": torch.__version__.split("+")[0], "seed": str(SEED)})
    print(f"{path.name}: {len(tensors)} tensors, {path.stat().st_size} bytes")
