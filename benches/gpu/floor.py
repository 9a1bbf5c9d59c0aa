"""The least time that a GPU needs for the work of `benches/full_size`, from FLOPs and bytes.

    python3 benches/gpu/floor.py --gpu H200 --images 8 --pseudo-labels 20
    python benches/gpu/floor.py --check          against torch.utils.flop_counter, at a small size on the CPU

Every op reads its inputs and its weights once and writes its output once; biases, activations and folded norms ride along. Its time is the
larger of FLOPs over peak and bytes over bandwidth, and a part is the sum of its ops. So nothing is fused across products, and nothing is
slower than the data sheet: no program with these ops gets there. With bf16 every activation counts two bytes, also where a program keeps
f32. Losses count the products of the matching costs, one pass over the masks
and one over their gradients. Table of the GPUs: dense peaks with f32 accumulation, TFLOP/s of f32, tf32 and bf16, and TB/s.
"""

import argparse

# Data sheets: nvidia.com/en-us/data-center/h200, .../h100 (SXM; their tensor figures are with sparsity, twice these), .../a100 (80 GB SXM);
# RTX 4090: appendix A of NVIDIA's whitepaper "Ada GPU Architecture".
GPUS = {
    "H200": ({"f32": 67.0, "tf32": 494.5, "bf16": 989.0}, 4.8),
    "H100": ({"f32": 67.0, "tf32": 494.5, "bf16": 989.0}, 3.35),
    "A100": ({"f32": 19.5, "tf32": 156.0, "bf16": 312.0}, 2.039),
    "RTX 4090": ({"f32": 82.6, "tf32": 82.6, "bf16": 165.2}, 1.008),
}
WIDTH, QUERIES, CLASSES, HEADS, POINTS, OBJECTS = 256, 100, 80, 8, 12544, 8
PARTS = ("backbone", "pixel decoder", "transformer decoder", "losses", "backward", "optimizer", "EMA")


class Counts:
    """Ops by part: FLOPs of products, other FLOPs, values read and written."""

    def __init__(self):
        self.ops = []

    def op(self, part, flops, values, bytes_each=None, product=True):
        self.ops.append((part, flops, values, bytes_each, product))

    def product(self, part, m, n, k, count=1, inputs=None, gradient=2):
        """[m, k] x [k, n], `count` times; `inputs`: the values of [m, k] where they overlap. `gradient`: how many products its backward has;
        1 where the input needs no gradient, 0 in what is frozen."""
        flops, values = 2 * m * n * k * count, count * ((m * k if inputs is None else inputs) + k * n + m * n)
        self.op(part, flops, values)
        if gradient:
            self.op("backward", gradient * flops, gradient * values)

    def pass_over(self, part, values, gradient=True):
        """An op that no product is: so many values read and written; its backward takes as many."""
        self.op(part, 0, values, product=False)
        if gradient:
            self.op("backward", 0, values, product=False)

    def flops(self, part):
        return sum(flops for name, flops, _, _, product in self.ops if name == part and product)

    def values(self, part):
        return sum(values for name, _, values, _, _ in self.ops if name == part)

    def seconds(self, part, gpu, precision):
        peaks, bandwidth = GPUS[gpu]
        each = 2 if precision == "bf16" else 4
        total = 0.0
        for name, flops, values, bytes_each, product in self.ops:
            if name == part:
                peak = peaks[precision if product else "f32"]
                total += max(flops / (peak * 1e12), values * (bytes_each or each) / (bandwidth * 1e12))
        return total


def network(size, batch):
    """Counts of one forward of `batch` images of `size` pixels a side, and of its backward with a frozen backbone."""
    counts = Counts()
    side = lambda stride: -(-size // stride)
    pixels = {stride: side(stride) ** 2 for stride in (1, 2, 4, 8, 16, 32)}

    def convolution(part, stride_in, stride, inputs, outputs, kernel, gradient=2):
        m = batch * pixels[stride]
        read = batch * pixels[stride_in] * inputs
        counts.product(part, m, outputs, kernel * kernel * inputs, inputs=read, gradient=gradient)

    backbone = "backbone"
    convolution(backbone, 1, 2, 3, 64, 7, 0)
    counts.pass_over(backbone, batch * 64 * (pixels[2] + pixels[4]), False)
    channels, stride = 64, 4
    for stage, (width, depth) in enumerate(zip((64, 128, 256, 512), (3, 4, 6, 3))):
        for block in range(depth):
            after = stride * 2 if stage and not block else stride
            convolution(backbone, stride, stride, channels, width, 1, 0)
            convolution(backbone, stride, after, width, width, 3, 0)
            convolution(backbone, after, after, width, 4 * width, 1, 0)
            if not block:
                convolution(backbone, stride, after, channels, 4 * width, 1, 0)
            counts.pass_over(backbone, batch * pixels[after] * 4 * width, False)
            channels, stride = 4 * width, after

    part = "pixel decoder"
    levels = (32, 16, 8)
    for stride, inputs in zip(levels, (2048, 1024, 512)):
        convolution(part, stride, stride, inputs, WIDTH, 1, 1)
    tokens = batch * sum(pixels[stride] for stride in levels)
    counts.pass_over(part, 2 * tokens * WIDTH)
    for _ in range(6):
        samples = HEADS * 3 * 4
        for outputs in (WIDTH, 2 * samples, samples, WIDTH):
            counts.product(part, tokens, outputs, WIDTH)
        # Deformable sampling: values and results, offsets and weights. Four corners for each of 32 channels of a head.
        counts.op(part, tokens * samples * 32 * 8, tokens * (2 * WIDTH + 3 * samples), 4, False)
        counts.op("backward", 2 * tokens * samples * 32 * 8, 2 * tokens * (2 * WIDTH + 3 * samples), 4, False)
        counts.product(part, tokens, 1024, WIDTH)
        counts.product(part, tokens, WIDTH, 1024)
        # Two norms with their residual: two reads and a write.
        counts.pass_over(part, 2 * 3 * tokens * WIDTH)
    convolution(part, 4, 4, 256, WIDTH, 1, 1)
    convolution(part, 4, 4, WIDTH, WIDTH, 3)
    convolution(part, 4, 4, WIDTH, WIDTH, 1)
    # Two norms; the sum with the enlarged map.
    counts.pass_over(part, 7 * batch * pixels[4] * WIDTH)

    part = "transformer decoder"
    rows = batch * QUERIES

    def head():
        for outputs in (WIDTH, WIDTH, WIDTH, CLASSES + 1):
            counts.product(part, rows, outputs, WIDTH)
        counts.product(part, QUERIES, pixels[4], WIDTH, count=batch)
        counts.pass_over(part, 2 * rows * WIDTH)

    head()
    for layer in range(9):
        length = pixels[levels[layer % 3]]
        # The mask of the attention, from the masks of the layer before.
        counts.pass_over(part, rows * (pixels[4] + length), False)
        for memory in (length, QUERIES):
            for m in (rows, batch * memory, batch * memory, rows):
                counts.product(part, m, WIDTH, WIDTH)
            # Scores and their product with the values, fused: queries, keys, values in, result out.
            flops, values = 2 * 2 * rows * memory * WIDTH, 2 * (rows + batch * memory) * WIDTH
            counts.op(part, flops, values)
            counts.op("backward", 2 * flops, 2 * values)
        counts.product(part, rows, 2048, WIDTH)
        counts.product(part, rows, WIDTH, 2048)
        counts.pass_over(part, 3 * 3 * rows * WIDTH)
        head()
    return counts


def losses(counts, size, objects):
    """Adds the losses of all ten layers on images that have so many objects each."""
    plane = (-(-size // 4)) ** 2
    for _ in range(10):
        for number in objects:
            counts.op("losses", 2 * 2 * QUERIES * POINTS * number, QUERIES * plane + 2 * POINTS * (QUERIES + number), 4)
            counts.op("losses", 0, number * (plane + 4 * POINTS), 4)
            counts.op("backward", 0, QUERIES * plane, 4)


def update(counts, trained=20_515_345):
    """Adds clipping, AdamW and EMA."""
    counts.op("optimizer", 0, 8 * trained, 4)
    counts.op("EMA", 0, 3 * trained, 4)


def work(size, images, pseudo_labels):
    """Counts of the three works, by name, with the images that each counts."""
    forward, step = network(size, images), network(size, 2 * images)
    losses(step, size, [OBJECTS] * 2 * images)
    update(step)
    pl_dc, teacher = network(size, 3 * images), network(size, images)
    losses(pl_dc, size, [OBJECTS] * 2 * images + [pseudo_labels] * images)
    update(pl_dc)
    pl_dc.ops += [op for op in teacher.ops if op[0] != "backward"]
    # The teacher's masks at the size of the input: written once, read once.
    pl_dc.op("losses", 0, images * pseudo_labels * 2 * size * size, 1)
    forward.ops = [op for op in forward.ops if op[0] != "backward"]
    step.ops = [op for op in step.ops if op[0] != "EMA"]
    return {"forward": (forward, images), "step": (step, 2 * images), "pl-dc": (pl_dc, 3 * images)}


def show(options):
    for name, (counts, images) in work(options.size, options.images, options.pseudo_labels).items():
        print(f"\n### {name}: {images} images of {options.size} x {options.size}, {options.gpu}, {options.precision}\n")
        print("| part | GFLOP | M values | floor, ms |\n|---|---:|---:|---:|")
        total = 0.0
        for part in PARTS:
            values, ms = counts.values(part), 1e3 * counts.seconds(part, options.gpu, options.precision)
            total += ms
            if values:
                print(f"| {part} | {counts.flops(part) / 1e9:.0f} | {values / 1e6:.0f} | {ms:.2f} |")
        print(f"| **all** | {sum(map(counts.flops, PARTS)) / 1e9:.0f} | {sum(map(counts.values, PARTS)) / 1e6:.0f} | {total:.2f} |")
        print(f"\nat most {1e3 * images / total:.0f} images/s")


def check(size, batch):
    """Compares the FLOPs of products with those that PyTorch counts in its own network; exits unless they are the same within 1 %."""
    import torch
    from network import Parts
    from network import network as model
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    parts, ours = Parts(model(), False), network(size, batch)
    pictures, seen = torch.zeros(batch, 3, size, size, dtype=torch.uint8), {}
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:

        def mark(part):
            seen[part] = counter.get_total_flops() - sum(seen.values())

        classes, masks = parts(pictures, mark)
        sum(tensor.sum() for tensor in classes + masks).backward()
        mark("backward")
    worst = 0.0
    for part, theirs in seen.items():
        worst = max(worst, abs(ours.flops(part) / theirs - 1))
        print(f"{part:<20}{ours.flops(part) / 1e9:>10.3f} GFLOP here{theirs / 1e9:>10.3f} GFLOP by PyTorch")
    if worst > 0.01:
        raise SystemExit(f"they differ by {100 * worst:.1f} %")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gpu", choices=GPUS, default="H200")
    parser.add_argument("--precision", choices=["f32", "tf32", "bf16"], default="bf16")
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--pseudo-labels", type=int, default=20)
    parser.add_argument("--check", action="store_true", help="compare with PyTorch's count")
    options = parser.parse_args()
    if options.check:
        check(64, 2)
    else:
        show(options)


if __name__ == "__main__":
    main()
