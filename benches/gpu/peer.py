"""The work of `benches/full_size` in PyTorch: teacher's inference, supervised step, step of PL-DC. One line of JSON.

    python benches/gpu/peer.py --images 8 --compile
    python benches/gpu/peer.py --device cpu --size 64 --images 1 --repeats 1 --parts

Pictures and masks begin as bytes of pinned host memory on both sides, and getting them to the GPU is part of what is timed. A whole is
timed from an idle GPU to an idle GPU; parts in runs of their own that wait behind every part. bf16 and tf32 as PyTorch's users set them:
autocast, fused AdamW, foreach EMA. The student's loss on pseudo-labels is not weighted by uncertainty, which spares PyTorch some work.
"""

import argparse
import contextlib
import copy
import json
import sys
import time
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F
import transformers
from network import CLASSES, Parts, losses, network

OBJECTS, VIEWS, KEEP = 8, 2, 0.9996


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--precision", choices=["f32", "tf32", "bf16"], default="bf16")
    parser.add_argument("--size", type=int, default=1024, help="side of the images")
    parser.add_argument("--images", type=int, default=8, help="images of the forward; labelled and unlabelled images of a step")
    parser.add_argument("--pseudo-labels", type=int, default=20, help="of an unlabelled image")
    parser.add_argument("--work", nargs="+", choices=["forward", "step", "pl-dc"], default=["forward", "step", "pl-dc"])
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--warm-up", type=int, default=3)
    parser.add_argument("--parts", action="store_true", help="time the parts too")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--largest", action="store_true", help="halve the images until they fit")
    return parser.parse_args()


class Device:
    """Where it runs, and how time is taken there."""

    def __init__(self, options):
        self.device = torch.device(options.device)
        self.gpu = self.device.type == "cuda"
        self.options = options
        if self.gpu:
            torch.cuda.set_device(self.device)
        if options.precision != "f32":
            torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = options.precision != "f32"
        torch.backends.cudnn.benchmark = True

    def autocast(self):
        if self.options.precision == "bf16":
            return torch.autocast(self.device.type, dtype=torch.bfloat16)
        return contextlib.nullcontext()

    def wait(self):
        if self.gpu:
            torch.cuda.synchronize()

    def described(self):
        if not self.gpu:
            return None
        driver = Path("/sys/module/nvidia/version")
        return {
            "name": torch.cuda.get_device_name(),
            "precision": self.options.precision,
            "driver": driver.read_text().strip() if driver.exists() else None,
            "cuda": torch.version.cuda,
        }

    def pinned(self, tensor):
        return tensor.pin_memory() if self.gpu else tensor

    def sent(self, tensors):
        return [tensor.to(self.device, non_blocking=True) for tensor in tensors]

    def run(self, work, parts):
        """ms of the whole and of the parts."""
        self.wait()
        spent, began = {}, time.perf_counter()
        last = [began]

        def mark(part):
            if parts:
                self.wait()
                now = time.perf_counter()
                spent[part] = spent.get(part, 0.0) + 1e3 * (now - last[0])
                last[0] = now

        work(mark)
        self.wait()
        return 1e3 * (time.perf_counter() - began), spent

    def time(self, images, work):
        """Medians of the whole and of its parts; rate, spread and peak memory of the runs of the whole."""
        options = self.options
        for _ in range(options.warm_up):
            self.run(work, False)
        if self.gpu:
            torch.cuda.reset_peak_memory_stats()
        whole = [self.run(work, False)[0] for _ in range(options.repeats)]
        peak = torch.cuda.max_memory_allocated() >> 20 if self.gpu else None
        apart = [self.run(work, True)[1] for _ in range(options.repeats if options.parts else 0)]
        parts = {part: round(median(run[part] for run in apart), 2) for part in (apart[0] if apart else {})}
        rate = {
            "images": images,
            "images_per_second": round(1e3 * images / median(whole), 2),
            "ms_spread": [round(min(whole), 2), round(max(whole), 2)],
            "peak_gpu_mb": peak,
        }
        return round(median(whole), 2), parts, rate


def picture_batch(device, count, size):
    return device.pinned(torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8))


def targets(device, count, size):
    """Classes and byte masks of eight random boxes a quarter of the side wide, by image."""
    classes, masks = [], []
    for _ in range(count):
        mask = torch.zeros(OBJECTS, size, size, dtype=torch.uint8)
        for one in mask:
            top, left = torch.randint(0, size - size // 4, (2,)).tolist()
            one[top : top + size // 4, left : left + size // 4] = 1
        masks.append(device.pinned(mask))
        classes.append(device.pinned(torch.randint(0, CLASSES, (OBJECTS,))))
    return classes, masks


def pseudo_labels(classes, masks, size, count):
    """The `count` pairs of query and class with the highest probability, by image: classes and masks at the size of the input. The quality
    of every mask is computed as a filter would ask for it."""
    labels = [], []
    for logits, planes in zip(classes.float().softmax(-1)[..., :CLASSES], masks):
        planes = F.interpolate(planes[None], size=(size, size), mode="bilinear", align_corners=False)[0]
        inside = planes > 0
        quality = (planes.sigmoid() * inside).sum((1, 2), dtype=torch.float32) / inside.sum((1, 2)).clamp(min=1)
        pairs = logits.flatten().topk(min(count, logits.numel())).indices
        queries = pairs // CLASSES
        labels[0].append(torch.where(quality[queries] >= 0, pairs % CLASSES, 0))
        labels[1].append(inside[queries])
    return labels


class Training:
    """Student, optimizer, and for PL-DC the teacher."""

    def __init__(self, device, options, images):
        self.device, self.count = device, options.pseudo_labels
        layout = torch.channels_last if options.channels_last else torch.contiguous_format
        self.layout, self.size, self.images = layout, options.size, images
        self.student = network().to(device.device, memory_format=layout)
        self.parts = Parts(self.student, options.compile)
        self.trained = [p for p in self.student.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.trained, lr=1e-4, weight_decay=1e-4, fused=True)

    def add_teacher(self, compiled):
        encoder = self.student.model.pixel_level_module.encoder
        self.teacher = copy.deepcopy(self.student)
        # Frozen: student and teacher share it.
        self.teacher.model.pixel_level_module.encoder = encoder
        self.averaged = [p for p in self.teacher.parameters() if p.requires_grad]
        self.teacher_parts = Parts(self.teacher, compiled)

    def pictures(self, batch):
        return self.device.sent([batch])[0].contiguous(memory_format=self.layout)

    def forward(self, batch, mark):
        with torch.no_grad(), self.device.autocast():
            self.parts(self.pictures(batch), mark)

    def truth(self, found):
        classes, masks = (self.device.sent(of) for of in found)
        return classes, [mask.float() for mask in masks]

    def update(self, loss, mark):
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        mark("backward")
        torch.nn.utils.clip_grad_norm_(self.trained, 0.01, foreach=True)
        self.optimizer.step()
        mark("optimizer")

    def step(self, batch, truth, mark):
        with self.device.autocast():
            classes, masks = self.parts(self.pictures(batch), mark)
            loss = losses(self.student, classes, masks, self.truth(truth))
        mark("losses")
        self.update(loss, mark)

    def pl_dc(self, labelled, truth, weak, strong, mark):
        with torch.no_grad():
            torch._foreach_lerp_(self.averaged, self.trained, 1 - KEEP)
            with self.device.autocast():
                classes, masks = self.teacher_parts(self.pictures(weak))
                labels, found = pseudo_labels(classes[-1], masks[-1], self.size, self.count)
        self.kept = sum(len(of) for of in labels)
        with self.device.autocast():
            pictures = torch.cat([self.pictures(labelled), self.pictures(strong)])
            classes, masks = self.parts(pictures)
            end = len(labelled)
            supervised = losses(self.student, [c[:end] for c in classes], [m[:end] for m in masks], self.truth(truth))
            wanted = labels, [mask.float() for mask in found]
            loss = supervised + losses(self.student, [c[end:] for c in classes], [m[end:] for m in masks], wanted)
        mark("teacher, student, losses")
        self.update(loss, mark)


def measure(device, options, images):
    torch.manual_seed(0)
    training, size = Training(device, options, images), options.size
    result = {
        "program": "PyTorch",
        "mode": "compiled" if options.compile else "eager",
        "channels_last": options.channels_last,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "device": device.described(),
        "images": images,
    }
    labelled, strong = picture_batch(device, VIEWS * images, size), picture_batch(device, images, size)
    weak, truth = picture_batch(device, images, size), targets(device, VIEWS * images, size)
    if "forward" in options.work:
        whole, parts, rate = device.time(images, lambda mark: training.forward(weak, mark))
        result |= {"forward": {"all": whole, **parts}, "forward_rate": rate}
    if "step" in options.work:
        whole, parts, rate = device.time(VIEWS * images, lambda mark: training.step(labelled, truth, mark))
        result |= {"step": {"all": whole, **parts}, "step_rate": rate}
    if "pl-dc" in options.work:
        training.add_teacher(options.compile)
        whole, parts, rate = device.time(3 * images, lambda mark: training.pl_dc(labelled, truth, weak, strong, mark))
        result["pl_dc"] = {"ms": parts, "all_ms": whole, "rate": rate, "pseudo_labels": training.kept}
    return result


def main():
    options = arguments()
    device, images = Device(options), options.images
    while True:
        try:
            print(json.dumps(measure(device, options, images)))
            return
        except torch.OutOfMemoryError as error:
            told = str(error).splitlines()[0]
        # Outside the handler, whose error holds the frames and their tensors.
        if not options.largest or images == 1:
            sys.exit(f"--images {images} does not fit into the GPU's memory: {told}")
        images //= 2
        torch._dynamo.reset()
        torch.cuda.empty_cache()
        print(f"the GPU's memory is full: {images} images", file=sys.stderr)


if __name__ == "__main__":
    main()
