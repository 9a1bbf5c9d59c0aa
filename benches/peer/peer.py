"""The embedded recipe's training step in PyTorch, timed: the other side of `compare.sh`.

A short supervised burn-in, so that the teacher keeps pseudo-labels; its last steps are the supervised measurement. Then the
teacher-student phase. Prints one line of JSON: median ms per step of each phase, mean ms of its parts, pseudo-labels per image.
The same sizes, images per step, views, losses and thresholds as `benches/step.rs`.
"""

import argparse
import copy
import json
import math
import resource
import time

import numpy as np
import torch

from method import PseudoLabels, losses, normalise, strong_view, weak_view
from model import CLASSES, DualEncoder, Mask2Former
from scenes import draw_set

LABELLED, UNLABELLED, EMA, AVERAGE, CLIP, RATE, WARM_UP = 2, 4, 0.99, 0.998, 0.1, 1.5e-3, 50
DISCARD = 10  # first steps of a phase that are not counted


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=60, help="timed steps of each phase")
    parser.add_argument("--burn-in", type=int, default=300)
    parser.add_argument("--mode", choices=("supervised", "pldc"), default="pldc")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--class-thresholds", type=float, nargs=2, default=(0.7, 0.85))
    parser.add_argument("--mask-thresholds", type=float, nargs=2, default=(0.8, 0.9))
    parser.add_argument("--accept", type=float, default=0.5)
    return parser.parse_args()


class Draw:
    """Image indices in shuffled epochs."""

    def __init__(self, indices):
        self.indices, self.order = indices, []

    def next(self, count):
        while len(self.order) < count:
            self.order += np.random.permutation(self.indices).tolist()
        taken, self.order = self.order[:count], self.order[count:]
        return torch.tensor(taken)


class Clock:
    """Wall time of the parts of every step."""

    def __init__(self):
        self.steps, self.parts = [], {}

    def start(self):
        self.began = self.last = time.perf_counter()

    def mark(self, part):
        now = time.perf_counter()
        self.parts.setdefault(part, []).append(1e3 * (now - self.last))
        self.last = now

    def stop(self):
        self.steps.append(1e3 * (time.perf_counter() - self.began))

    def summary(self, count):
        count = min(count, max(1, len(self.steps) - DISCARD))
        parts = {part: round(float(np.mean(values[-count:])), 2) for part, values in self.parts.items()}
        return {"ms_median": round(float(np.median(self.steps[-count:])), 2), "parts_ms": parts}


def main():
    options = arguments()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    np.random.seed(0)
    pictures, classes, masks = map(torch.from_numpy, draw_set(200, 1))
    labelled, unlabelled = Draw(np.arange(25)), Draw(np.arange(25, 200))
    student, vlm = Mask2Former(), DualEncoder().eval()
    if options.channels_last:
        student, vlm = student.to(memory_format=torch.channels_last), vlm.to(memory_format=torch.channels_last)
    teacher, average = (copy.deepcopy(student).eval().requires_grad_(False) for _ in range(2))
    wrap = (lambda model: torch.compile(model, dynamic=False)) if options.compile else lambda model: model
    run_student, run_teacher = wrap(student), wrap(teacher)
    parameters = list(student.parameters())
    groups = [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": 1e-4},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.98), fused=True)
    found = np.bincount(classes[:25][classes[:25] >= 0].numpy(), minlength=CLASSES)
    frequency = torch.tensor(found / found.sum()).float()
    label = PseudoLabels(frequency, options.class_thresholds, options.mask_thresholds, options.accept)
    clocks, kept, step = {"supervised": Clock(), "pldc": Clock()}, 0, 0
    layout = lambda x: x.contiguous(memory_format=torch.channels_last) if options.channels_last else x

    for phase, steps in (("supervised", options.burn_in), ("pldc", options.steps + DISCARD if options.mode == "pldc" else 0)):
        clock = clocks[phase]
        if phase == "pldc":
            teacher.load_state_dict(student.state_dict())
            average.load_state_dict(student.state_dict())
        for _ in range(steps):
            clock.start()
            for group in optimizer.param_groups:
                group["lr"] = RATE * min(1, (step + 1) / WARM_UP)
            step += 1
            chosen = labelled.next(LABELLED)
            weak, target_classes, target_masks = weak_view(pictures[chosen], masks[chosen], classes[chosen])
            images = [weak, strong_view(weak)]
            if phase == "pldc":
                unseen = weak_view(pictures[unlabelled.next(UNLABELLED)])
                images.append(strong_view(unseen))
            clock.mark("data")
            if phase == "pldc":
                with torch.no_grad():
                    torch._foreach_lerp_(list(teacher.parameters()), parameters, 1 - EMA)
                pseudo = label(lambda x: run_teacher(layout(x)), vlm, layout(unseen), 0.25 * (math.cos(0.0) + 1))
                kept += sum(map(len, pseudo[0]))
                clock.mark("teacher+pseudo-labels")
            all_classes, all_masks = run_student(layout(normalise(torch.cat(images))))
            clock.mark("forward")
            n = 2 * LABELLED
            loss = losses(all_classes[:, :n], all_masks[:, :n], target_classes * 2, target_masks * 2)
            if phase == "pldc":
                loss = loss + losses(all_classes[:, n:], all_masks[:, n:], *pseudo)
            clock.mark("match+loss")
            optimizer.zero_grad()
            loss.backward()
            clock.mark("backward")
            torch.nn.utils.clip_grad_norm_(parameters, CLIP, foreach=True)
            optimizer.step()
            if phase == "pldc":
                with torch.no_grad():
                    torch._foreach_lerp_(list(average.parameters()), parameters, 1 - AVERAGE)
            clock.mark("optimizer")
            clock.stop()

    result = {"program": "pytorch", "threads": options.threads, "compile": options.compile, "channels_last": options.channels_last}
    result["parameters"] = sum(p.numel() for p in parameters)
    result["supervised"] = clocks["supervised"].summary(options.steps)
    if options.mode == "pldc":
        result["pldc"] = clocks["pldc"].summary(options.steps)
        result["pldc"]["pseudo_per_image"] = round(kept / (UNLABELLED * (options.steps + DISCARD)), 2)
    result["peak_rss_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    result["last_loss"] = round(float(loss.detach()), 3)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
