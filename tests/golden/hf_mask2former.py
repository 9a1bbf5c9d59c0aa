#!/usr/bin/env python3
"""Golden numbers of Hugging Face's Mask2Former: folders with random values, and what `transformers` makes of them.

    pip install torch transformers safetensors scipy pillow numpy
    python3 tests/golden/hf_mask2former.py

Writes, for each case, under hf_mask2former/ beside itself:
  <case>/                config.json and safetensors as `save_pretrained` leaves them (f16; bf16 in parts; f16)
  <case>.safetensors     images, backbone features, pixel decoder maps, logits of every layer, points, assignment, losses, gradients
and for `predict`
  bottleneck/preprocessor_config.json, picture.png, predict.safetensors

The network runs in double precision on the stored values. Of a gradient with more than 64 values its norm and 16 sums with signs
are kept; the signs are the bits of splitmix64 of a value's index, so that the mean square of the sums' errors is the expected
square of the error's norm. A seed is taken if `transformers` itself in single precision gives the same numbers: no decision (attention
mask, chosen point, assignment) then hangs on a rounding error.

tests/hf_parity.rs and tests/predict.rs read the files.
"""
import json
import math
import os
import shutil

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, ResNetConfig

try:  # transformers 5 calls the one that resizes with Pillow so
    from transformers import Mask2FormerImageProcessorPil as Processor
except ImportError:
    from transformers import Mask2FormerImageProcessor as Processor
from transformers.utils import logging

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "hf_mask2former")
STAGES = ["stage1", "stage2", "stage3", "stage4"]
WHOLE, SUMS = 64, 16
MARGIN = 1e-4  # no attention mask may hang on a rounding error
SAME = 2e-5  # error of single precision
ZERO = 1e-10  # a gradient below this part of the whole is 0 by the mathematics: a key's bias before the softmax, a bias before its norm

CASES = {
    # odd sizes, an image without an object, more layers than levels
    "bottleneck": dict(
        backbone=dict(embedding_size=8, hidden_sizes=[16, 16, 32, 32], depths=[1, 2, 1, 1], layer_type="bottleneck"),
        feature_size=32, hidden_dim=32, mask_feature_size=16, num_attention_heads=4, encoder_layers=1, encoder_feedforward_dim=24,
        decoder_layers=5, dim_feedforward=24, num_queries=5, num_labels=3, train_num_points=24,
        dtype=torch.float16, shard="5GB", image=(45, 70), classes=[[2, 0], []],
    ),
    "basic": dict(
        backbone=dict(embedding_size=8, hidden_sizes=[8, 16, 16, 32], depths=[1, 1, 2, 1], layer_type="basic"),
        feature_size=32, hidden_dim=32, mask_feature_size=32, num_attention_heads=2, encoder_layers=2, encoder_feedforward_dim=16,
        decoder_layers=4, dim_feedforward=16, num_queries=4, num_labels=5, train_num_points=20,
        dtype=torch.bfloat16, shard="120KB", image=(64, 96), classes=[[4, 1, 1]],
    ),
    # the stride on the 1x1, two channels per group, more objects than queries
    "strided": dict(
        backbone=dict(embedding_size=8, hidden_sizes=[16, 16, 16, 32], depths=[1, 1, 1, 1], layer_type="bottleneck",
                      downsample_in_bottleneck=True),
        feature_size=64, hidden_dim=64, mask_feature_size=24, num_attention_heads=4, encoder_layers=1, encoder_feedforward_dim=16,
        decoder_layers=2, dim_feedforward=16, num_queries=3, num_labels=2, train_num_points=16,
        dtype=torch.float16, shard="5GB", image=(33, 97), classes=[[0, 1, 1, 0], [1]],
    ),
}


def fill(model, generator):
    """Values that make no norm the identity, no offset zero and some masks empty."""
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if not value.is_floating_point() or name == "criterion.empty_weight":
                continue
            noise = torch.randn(value.shape, generator=generator)
            if name.endswith("running_var"):
                noise = (1.5 + 0.2 * noise).clamp(min=0.5)
            elif name.endswith("running_mean"):
                noise = 0.3 * noise
            elif "mask_projection.bias" in name:  # masks that are empty, or full
                noise = 2.0 * noise
            elif value.dim() == 1 and ("norm" in name or ".1." in name):  # group norms are second in their pair
                noise = (1.0 if name.endswith("weight") else 0.0) + 0.2 * noise
            elif value.dim() == 1:
                noise = 0.1 * noise
            elif value.dim() == 4:
                noise = math.sqrt(2 / value[0].numel()) * noise
            elif "level_embed" not in name and "queries" not in name:
                noise = (2 if "sampling_offsets" in name else 1) / math.sqrt(value.shape[1]) * noise
            value.copy_(noise)


def configuration(case):
    options = {k: v for k, v in case.items() if k not in ("backbone", "dtype", "shard", "image", "classes")}
    backbone = ResNetConfig(out_features=STAGES, **case["backbone"])
    return Mask2FormerConfig(backbone_config=backbone, dropout=0.0, use_auxiliary_loss=True, **options)


def open_folder(folder, dtype):
    model = Mask2FormerForUniversalSegmentation.from_pretrained(folder).to(dtype).eval()
    # A half-precision file rounds the class weights, which belong to the loss.
    model.criterion.empty_weight.fill_(1.0)[-1] = model.config.no_object_weight
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("normalization" not in name)  # detectron2's frozen batch norm
    return model


def inputs(case, generator):
    height, width = case["image"]
    batch = len(case["classes"])
    # Smooth enough to look like a picture: coarse noise, resized.
    noise = torch.randn(batch, 3, 6, 8, generator=generator)
    noise = F.interpolate(noise, size=(height, width), mode="bicubic") * 50 + 128
    images = noise.round().clamp(0, 255).to(torch.uint8)
    masks = []
    for classes in case["classes"]:
        shapes = F.interpolate(torch.randn(len(classes), 1, 3, 4, generator=generator), size=(height, width), mode="bilinear") if classes else torch.zeros(0, 1, height, width)
        masks.append((shapes[:, 0] > 0).to(torch.uint8))
    return images, masks


def run(folder, case, images, masks, dtype, draws):
    """Everything of one forward and backward pass; `draws` are the points, drawn in single precision."""
    model = open_folder(folder, dtype)
    seen = {"masks": [], "pairs": [], "points": [], "losses": None, "margin": math.inf, "full": [], "part": []}

    def rand(*shape, **_):
        shape = tuple(shape[0]) if shape and isinstance(shape[0], (list, tuple, torch.Size)) else shape
        points = torch.empty(shape, dtype=torch.float32).uniform_(0, 1, generator=draws)
        if len(shape) == 3:
            seen["points"].append(points)
        return points.to(dtype)

    def predicted(_, arguments, output):
        size = arguments[2]
        logits = F.interpolate(output[0].detach(), size=size, mode="bilinear", align_corners=False).flatten(2)
        blocked = logits < 0
        seen["margin"] = min(seen["margin"], float(logits.abs().min()))
        seen["full"].append(int((output[0] < 0).flatten(2).all(-1).sum()))
        seen["part"].append(int((blocked.any(-1) & ~blocked.all(-1)).sum()))

    def matched(_, __, output):
        seen["pairs"].append([[image, int(q), int(o)] for image, (qs, os_) in enumerate(output) for q, o in zip(qs, os_)])

    def lost(_, __, output):
        seen["losses"] = {k: v.detach().clone() for k, v in output.items()}

    model.model.transformer_module.decoder.mask_predictor.register_forward_hook(predicted)
    model.criterion.matcher.register_forward_hook(matched)
    model.criterion.register_forward_hook(lost)
    pixels = ((images.float() - 128) / 50).to(dtype)
    original, torch.rand = torch.rand, rand
    try:
        output = model(
            pixel_values=pixels,
            mask_labels=[m.to(dtype) for m in masks],
            class_labels=[torch.tensor(c, dtype=torch.long) for c in case["classes"]],
            output_hidden_states=True,
            output_auxiliary_logits=True,
        )
    finally:
        torch.rand = original
    output.loss.backward()
    # No layer looks at the last prediction.
    seen["full"], seen["part"] = sum(seen["full"][:-1]), sum(seen["part"][:-1])
    layers = [(a["class_queries_logits"], a["masks_queries_logits"]) for a in output.auxiliary_logits]
    layers.append((output.class_queries_logits, output.masks_queries_logits))
    assert len(layers) == case["decoder_layers"], "one prediction more than layers"

    last = lambda x: x.permute(0, 2, 3, 1)
    arrays = {}
    for i, feature in enumerate(output.encoder_hidden_states):
        arrays[f"res{i + 2}"] = last(feature)
    for i, feature in enumerate(output.pixel_decoder_hidden_states):
        arrays[f"memory.{i}"] = last(feature)
    arrays["mask_features"] = last(output.pixel_decoder_last_hidden_state)
    # The criterion looks at the last prediction first, then at the others in order.
    order = [len(layers) - 1, *range(len(layers) - 1)]
    points = iter(seen["points"])
    for layer, pairs in zip(order, seen["pairs"]):
        suffix = "" if layer == order[0] else f"_{layer}"
        names = [f"loss_cross_entropy{suffix}", f"loss_mask{suffix}", f"loss_dice{suffix}"]
        arrays[f"losses.{layer}"] = torch.stack([seen["losses"][name].reshape(()) for name in names])
        arrays[f"classes.{layer}"], arrays[f"masks.{layer}"] = layers[layer]
        arrays[f"pairs.{layer}"] = torch.tensor(pairs, dtype=torch.int64)
        for image in range(len(images)):
            arrays[f"matching.{layer}.{image}"] = next(points)[0]
        arrays[f"pool.{layer}"], arrays[f"fresh.{layer}"] = next(points), next(points)
    assert next(points, None) is None, "every draw has its use"
    arrays["loss"] = output.loss.reshape(1)
    gradients = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
    assert all(g is not None for g in gradients.values())
    return arrays, gradients, seen


def splitmix64(i):
    with np.errstate(over="ignore"):
        z = i.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def condensed(name, gradient):
    """Values of a small gradient; norm and signed sums of a large one."""
    values = gradient.detach().double().flatten()
    if values.numel() <= WHOLE:
        return {f"gradient.{name}": values}
    bits = splitmix64(np.arange(values.numel()))
    signs = [torch.from_numpy(1.0 - 2.0 * ((bits >> np.uint64(j)) & np.uint64(1)).astype(np.float64)) for j in range(SUMS)]
    return {f"norm.{name}": values.norm().reshape(1), f"sums.{name}": torch.stack([(s * values).sum() for s in signs])}


def error(a, b):
    a, b = a.detach().double(), b.detach().double()
    return float((a - b).norm() / b.norm().clamp(min=1e-30))


def stored(arrays):
    keep = lambda x: x if x.dtype in (torch.uint8, torch.int64) else x.float()
    return {k: keep(v.detach()).contiguous() for k, v in arrays.items()}


def attempt(name, case, seed):
    generator = torch.Generator().manual_seed(seed)
    folder = os.path.join(HERE, name)
    shutil.rmtree(folder, ignore_errors=True)
    model = Mask2FormerForUniversalSegmentation(configuration(case))
    fill(model, generator)
    model.to(case["dtype"]).save_pretrained(folder, max_shard_size=case["shard"])
    images, masks = inputs(case, generator)
    if any(int(m.sum()) < 50 for image in masks for m in image):
        return False
    arrays, gradients, seen = run(folder, case, images, masks, torch.float64, torch.Generator().manual_seed(seed))
    if seen["full"] < 1 or seen["part"] < 3 or seen["margin"] < MARGIN:
        return False
    single, single_gradients, single_seen = run(folder, case, images, masks, torch.float32, torch.Generator().manual_seed(seed))
    if single_seen["pairs"] != seen["pairs"]:
        return False
    whole = torch.stack([g.norm() for g in gradients.values()]).norm()
    live = {k: g for k, g in gradients.items() if g.norm() > ZERO * whole}
    worst = max(error(single_gradients[k], g) for k, g in live.items())
    if worst > SAME or error(single["loss"], arrays["loss"]) > SAME:
        return False
    arrays["images"] = images.permute(0, 2, 3, 1)
    for image, (classes, mask) in enumerate(zip(case["classes"], masks)):
        arrays[f"target.classes.{image}"] = torch.tensor(classes, dtype=torch.int64)
        arrays[f"target.masks.{image}"] = mask
    for key, gradient in gradients.items():
        arrays.update(condensed(key, gradient))
    arrays["gradients.norm"] = whole.reshape(1)
    save_file(stored(arrays), os.path.join(HERE, name + ".safetensors"))
    print(f"{name}: seed {seed}, {seen['full']} rows blocked everywhere, {seen['part']} in part, nearest logit {seen['margin']:.1e}, "
          f"{len(live)} of {len(gradients)} gradients are not 0, in single precision within {worst:.1e}")
    return True


def predict():
    """A picture through Pillow's resize and the first case's network."""
    folder = os.path.join(HERE, "bottleneck")
    processor = Processor(size={"shortest_edge": 70, "longest_edge": 110}, size_divisor=32)
    processor.save_pretrained(folder)
    generator = torch.Generator().manual_seed(5)
    noise = F.interpolate(torch.randn(1, 3, 9, 7, generator=generator), size=(61, 53), mode="bicubic")[0] * 60 + 128
    picture = Image.fromarray(noise.round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy())
    picture.save(os.path.join(HERE, "picture.png"))
    pixels = processor(images=picture, return_tensors="pt")["pixel_values"]
    model = open_folder(folder, torch.float64)
    with torch.no_grad():
        output = model(pixel_values=pixels.double())
    arrays = {"class_logits": output.class_queries_logits, "mask_logits": output.masks_queries_logits}
    for filter_ in range(6):
        for size, sides in (("wide", (90, 17)), ("small", (20, 30))):
            arrays[f"resized.{size}.{filter_}"] = torch.from_numpy(np.array(picture.resize(sides, filter_)))
    save_file(stored(arrays), os.path.join(HERE, "predict.safetensors"))
    print("predict:", tuple(pixels.shape), json.load(open(os.path.join(folder, "preprocessor_config.json")))["image_processor_type"])


if __name__ == "__main__":
    os.makedirs(HERE, exist_ok=True)
    torch.set_num_threads(1)
    logging.disable_progress_bar()
    for name, case in CASES.items():
        if not any(attempt(name, case, seed) for seed in range(300)):
            raise SystemExit(f"{name}: no seed is safe")
    predict()
