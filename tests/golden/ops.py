"""Golden values and gradients of the network ops, computed by PyTorch.

Writes `ops1.safetensors` beside this file. For a case `c`: inputs `c.<name>`, output `c.out`, the gradient `c.seed` put into
the output, and `c.<name>.grad` of every input that has one. All in the crate's layout: matrices in float32, a feature map
[batch * height * width, channels], a convolution weight [out, kernel * kernel * channels]. Computed in float64.
"""

import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

SEED = 20260
tensors: dict[str, np.ndarray] = {}
random = torch.Generator().manual_seed(SEED)


def draw(*shape: int, scale: float = 1.0, grad: bool = True) -> torch.Tensor:
    """A leaf of normal values that float32 holds exactly."""
    values = (torch.randn(*shape, generator=random) * scale).double()
    return values.requires_grad_(grad)


def last(x: torch.Tensor) -> torch.Tensor:
    """[B, C, H, W] -> [B * H * W, C]; a convolution weight [O, C, k, k] -> [O, k * k * C]; a vector -> [1, n]."""
    if x.dim() == 1:
        return x[None]
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1]) if x.dim() == 4 else x


def kernel_last(w: torch.Tensor) -> torch.Tensor:
    return w.permute(0, 2, 3, 1).reshape(w.shape[0], -1)


def case(name: str, out: torch.Tensor, inputs: dict[str, torch.Tensor]) -> None:
    seed = torch.randn(out.shape, generator=random).double()
    (out * seed).sum().backward()

    def put(key: str, value: torch.Tensor, layout=last) -> None:
        tensors[f"{name}.{key}"] = layout(value.detach()).float().contiguous().numpy()

    put("out", out)
    put("seed", seed)
    for key, leaf in inputs.items():
        layout = kernel_last if key == "weight" and leaf.dim() == 4 else last
        put(key, leaf, layout)
        if leaf.requires_grad:
            put(f"{key}.grad", leaf.grad, layout)


def linear() -> None:
    x, weight, bias = draw(6, 5), draw(4, 5), draw(4)
    case("linear", F.linear(x, weight, bias), {"x": x, "weight": weight, "bias": bias})
    x, weight = draw(6, 5), draw(4, 5)
    case("linear_relu", F.linear(x, weight).relu(), {"x": x, "weight": weight})


def conv(name, batch, size, channels, out, groups, kernel, stride, padding, scaled=False, shifted=False, relu=False):
    x = draw(batch, channels, *size)
    weight = draw(out, channels // groups, kernel, kernel, scale=0.3)
    inputs = {"x": x, "weight": weight}
    y = F.conv2d(x, weight, None, stride, padding, 1, groups)
    if scaled:
        inputs["scale"] = draw(out, grad=False)
        y = y * inputs["scale"][None, :, None, None]
    if shifted:
        inputs["shift"] = draw(out)
        y = y + inputs["shift"][None, :, None, None]
    case(name, y.relu() if relu else y, inputs)


def convolutions() -> None:
    conv("conv_3x3", 2, (5, 6), 3, 4, 1, 3, 1, 1, shifted=True)
    conv("conv_3x3_wide", 2, (6, 8), 16, 16, 1, 3, 1, 1, scaled=True, shifted=True, relu=True)
    conv("conv_3x3_stride", 2, (7, 8), 16, 32, 1, 3, 2, 1, relu=True)
    conv("conv_1x1", 2, (4, 5), 5, 3, 1, 1, 1, 0, shifted=True, relu=True)
    conv("conv_1x1_stride", 2, (5, 5), 4, 6, 1, 1, 2, 0)
    conv("conv_7x7_stem", 1, (11, 9), 3, 4, 1, 7, 2, 3, scaled=True, shifted=True, relu=True)
    conv("conv_groups", 2, (5, 4), 4, 6, 2, 3, 1, 1, shifted=True)
    conv("conv_depthwise", 2, (5, 5), 4, 4, 4, 3, 2, 1)


def max_pool() -> None:
    for name, size, window in [("max_pool_3x3", (7, 8), (3, 2, 1)), ("max_pool_2x2", (6, 5), (2, 2, 0))]:
        x = draw(2, 3, *size)
        case(name, F.max_pool2d(x, *window), {"x": x})


def group_norm() -> None:
    for name, residual, relu in [("group_norm", False, False), ("group_norm_residual_relu", True, True)]:
        x = draw(2, 6, 4, 5)
        gamma, beta = draw(6), draw(6)
        inputs = {"x": x, "gamma": gamma, "beta": beta}
        y = F.group_norm(x, 3, gamma, beta, 1e-5)
        if residual:
            inputs["residual"] = draw(2, 6, 4, 5)
            y = y + inputs["residual"]
        case(name, y.relu() if relu else y, inputs)


if __name__ == "__main__":
    linear()
    convolutions()
    max_pool()
    group_norm()
    path = pathlib.Path(__file__).with_name("ops1.safetensors")
    save_file(dict(sorted(tensors.items())), path, {"torch": torch.__version__.split("+")[0], "seed": str(SEED)})
    print(f"{path.name}: {len(tensors)} tensors, {path.stat().st_size} bytes")
