"""Full-size Mask2Former R-50 of `transformers`, timed: the other side of `full_size.sh`.

Forward of one 512 x 512 image, and a training step (frozen backbone, two 256 x 256 images with eight objects each, forward,
matching and losses, backward, clipping, fused AdamW). Random weights: the time does not depend on them. Prints one line of JSON:
median ms of the whole and of its parts.
"""

import argparse
import json
import resource
import time
from statistics import median

import torch
from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, ResNetConfig

CLASSES, OBJECTS, IMAGES = 80, 8, 2


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--forward-size", type=int, default=512)
    parser.add_argument("--step-size", type=int, default=256)
    parser.add_argument("--channels-last", action="store_true")
    return parser.parse_args()


def network():
    backbone = ResNetConfig(out_features=["stage1", "stage2", "stage3", "stage4"])
    # `decoder_layers` counts the initial prediction: 10 are nine layers.
    config = Mask2FormerConfig(backbone_config=backbone, num_labels=CLASSES, decoder_layers=10)
    return Mask2FormerForUniversalSegmentation(config)


class Clock:
    """Milliseconds of the modules that are watched, summed over the calls of one run."""

    def __init__(self, parts):
        self.spent = dict.fromkeys(parts, 0.0)
        for name, module in parts.items():
            module.register_forward_pre_hook(lambda *_, name=name: self.start(name))
            module.register_forward_hook(lambda *_, name=name: self.stop(name))
        self.began = {}

    def start(self, name):
        self.began[name] = time.perf_counter()

    def stop(self, name):
        self.spent[name] += 1e3 * (time.perf_counter() - self.began[name])

    def take(self):
        spent, self.spent = self.spent, dict.fromkeys(self.spent, 0.0)
        return spent


def targets(size):
    """Eight random boxes per image."""
    classes, masks = [], []
    for _ in range(IMAGES):
        mask = torch.zeros(OBJECTS, size, size)
        for one in mask:
            top, left = torch.randint(0, size * 3 // 4, (2,)).tolist()
            one[top : top + size // 4, left : left + size // 4] = 1
        masks.append(mask)
        classes.append(torch.randint(0, CLASSES, (OBJECTS,)))
    return classes, masks


def summary(runs):
    return {part: round(median(run[part] for run in runs), 1) for part in runs[0]}


def main():
    options = arguments()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model = network()
    if options.channels_last:
        model = model.to(memory_format=torch.channels_last)
    layout = torch.channels_last if options.channels_last else torch.contiguous_format
    pixels = model.model.pixel_level_module
    clock = Clock(
        {
            "backbone": pixels.encoder,
            "pixel decoder": pixels.decoder,
            "transformer decoder": model.model.transformer_module,
            "losses": model.criterion,
        }
    )
    result = {"program": "transformers", "threads": options.threads, "channels_last": options.channels_last}

    model.eval()
    image = torch.randn(1, 3, options.forward_size, options.forward_size).contiguous(memory_format=layout)
    runs = []
    with torch.no_grad():
        for _ in range(options.repeats + 1):
            began = time.perf_counter()
            model(pixel_values=image)
            runs.append({"all": 1e3 * (time.perf_counter() - began), **clock.take()})
    result["forward"] = summary([{k: v for k, v in run.items() if k != "losses"} for run in runs[1:]])

    model.train()
    pixels.encoder.eval().requires_grad_(False)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=1e-4, fused=True)
    images = torch.randn(IMAGES, 3, options.step_size, options.step_size).contiguous(memory_format=layout)
    classes, masks = targets(options.step_size)
    runs = []
    for _ in range(options.repeats + 1):
        began = time.perf_counter()
        loss = model(pixel_values=images, mask_labels=masks, class_labels=classes).loss
        forward = time.perf_counter()
        optimizer.zero_grad()
        loss.backward()
        backward = time.perf_counter()
        torch.nn.utils.clip_grad_norm_(parameters, 0.01, foreach=True)
        optimizer.step()
        end = time.perf_counter()
        parts = {"all": end - began, "backward": backward - forward, "optimizer": end - backward}
        runs.append({**{part: 1e3 * seconds for part, seconds in parts.items()}, **clock.take()})
    result["step"] = summary(runs[1:])
    result["peak_rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps(result))


if __name__ == "__main__":
    main()
