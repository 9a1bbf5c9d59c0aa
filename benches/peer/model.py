"""Mask2Former at the sizes of `recipes/pl-dc.toml`, and the small dual encoder that plays CLIP's part.

Follows https://arxiv.org/abs/2112.01527 (masked attention, deformable pixel decoder of https://arxiv.org/abs/2010.04159).
Shapes: B images, Q queries, d width, K classes, L tokens of the three encoder levels.
"""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

SIZE, CLASSES, QUERIES, WIDTH, MASK_WIDTH = 64, 10, 16, 64, 32
HEADS, POINTS, FFN, ENCODER_LAYERS, DECODER_LAYERS = 4, 2, 128, 1, 3
STEM, STAGES, GROUPS = 16, (16, 32, 64, 96), 8
LEVELS = ((4, 4), (8, 8), (16, 16))  # res5, res4, res3 of a 64-pixel picture with stem stride 2


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.GroupNorm(GROUPS, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.GroupNorm(GROUPS, outputs)
        self.shortcut = nn.Identity()
        if inputs != outputs or stride != 1:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.GroupNorm(GROUPS, outputs))

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


def sine_positions(height, width, channels):
    half = channels // 2
    frequency = 10000 ** (2 * (torch.arange(half) // 2) / half)
    axis = lambda n: ((torch.arange(n) + 1.0) / (n + 1e-6) * 2 * math.pi)[:, None] / frequency
    fold = lambda p: torch.stack([p[:, 0::2].sin(), p[:, 1::2].cos()], 2).flatten(1)
    rows, columns = fold(axis(height)), fold(axis(width))
    both = [rows[:, None].expand(height, width, half), columns[None].expand(height, width, half)]
    return torch.cat(both, 2).reshape(height * width, channels)


class DeformAttention(nn.Module):
    def __init__(self):
        super().__init__()
        slots = HEADS * len(LEVELS) * POINTS
        self.offsets, self.weights = nn.Linear(WIDTH, slots * 2), nn.Linear(WIDTH, slots)
        self.value, self.output = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        angle = torch.arange(HEADS) * 2 * math.pi / HEADS
        ray = torch.stack([angle.cos(), angle.sin()], 1)
        ray = (ray / ray.abs().max(1, keepdim=True)[0]).view(HEADS, 1, 1, 2).repeat(1, len(LEVELS), POINTS, 1)
        nn.init.zeros_(self.offsets.weight)
        self.offsets.bias.data = (ray * torch.arange(1, POINTS + 1).view(1, 1, POINTS, 1)).reshape(-1)
        nn.init.zeros_(self.weights.weight)
        nn.init.zeros_(self.weights.bias)
        scale = torch.tensor([[w, h] for h, w in LEVELS], dtype=torch.float32)
        self.register_buffer("scale", scale, persistent=False)

    def forward(self, query, x, reference):
        batch, tokens, _ = x.shape
        value = self.value(x)
        offsets = self.offsets(query).view(batch, tokens, HEADS, len(LEVELS), POINTS, 2)
        weights = self.weights(query).view(batch, tokens, HEADS, -1).softmax(-1).view(batch, tokens, HEADS, len(LEVELS), POINTS)
        start, total = 0, 0
        for level, (height, width) in enumerate(LEVELS):
            plane = value[:, start : start + height * width].view(batch, height * width, HEADS, -1)
            plane = plane.permute(0, 2, 3, 1).reshape(batch * HEADS, -1, height, width)
            start += height * width
            grid = 2 * (reference[None, :, None, None] + offsets[:, :, :, level] / self.scale[level]) - 1
            grid = grid.transpose(1, 2).reshape(batch * HEADS, tokens, POINTS, 2)
            sampled = F.grid_sample(plane, grid, align_corners=False)
            total = total + (sampled * weights[:, :, :, level].transpose(1, 2).reshape(batch * HEADS, 1, tokens, POINTS)).sum(-1)
        return self.output(total.view(batch, WIDTH, tokens).transpose(1, 2))


class EncoderLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention, self.norm1, self.norm2 = DeformAttention(), nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.up, self.down = nn.Linear(WIDTH, FFN), nn.Linear(FFN, WIDTH)

    def forward(self, x, positions, reference):
        x = self.norm1(x + self.attention(x + positions, x, reference))
        return self.norm2(x + self.down(F.relu(self.up(x))))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def forward(self, query, key, value, allowed=None):
        split = lambda t: t.view(t.shape[0], t.shape[1], HEADS, WIDTH // HEADS).transpose(1, 2)
        mask = None if allowed is None else allowed[:, None]
        out = F.scaled_dot_product_attention(split(self.q(query)), split(self.k(key)), split(self.v(value)), attn_mask=mask)
        return self.o(out.transpose(1, 2).reshape(query.shape))


class DecoderLayer(nn.Module):
    def __init__(self):
        super().__init__()
        self.cross, self.own = Attention(), Attention()
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(WIDTH) for _ in range(3))
        self.up, self.down = nn.Linear(WIDTH, FFN), nn.Linear(FFN, WIDTH)

    def forward(self, x, query_positions, memory, positions, allowed):
        x = self.norm1(x + self.cross(x + query_positions, memory + positions, memory, allowed))
        query = x + query_positions
        x = self.norm2(x + self.own(query, query, x))
        return self.norm3(x + self.down(F.relu(self.up(x))))


class Mask2Former(nn.Module):
    """images [B, 3, 64, 64] -> class logits [layers, B, Q, K + 1], mask logits [layers, B, Q, 32, 32]"""

    def __init__(self):
        super().__init__()
        self.stem, self.stem_norm = nn.Conv2d(3, STEM, 3, 2, 1, bias=False), nn.GroupNorm(GROUPS, STEM)
        inputs = (STEM, *STAGES[:3])
        self.stages = nn.ModuleList(Block(i, o, 1 if n == 0 else 2) for n, (i, o) in enumerate(zip(inputs, STAGES)))
        self.project = nn.ModuleList(nn.Sequential(nn.Conv2d(c, WIDTH, 1), nn.GroupNorm(GROUPS, WIDTH)) for c in STAGES[:0:-1])
        self.encoder_levels = nn.Parameter(torch.randn(3, WIDTH))
        self.encoder = nn.ModuleList(EncoderLayer() for _ in range(ENCODER_LAYERS))
        self.lateral = nn.Sequential(nn.Conv2d(STAGES[0], WIDTH, 1, bias=False), nn.GroupNorm(GROUPS, WIDTH))
        self.merge = nn.Sequential(nn.Conv2d(WIDTH, MASK_WIDTH, 3, 1, 1, bias=False), nn.GroupNorm(GROUPS, MASK_WIDTH), nn.ReLU())
        self.mask_features = nn.Conv2d(MASK_WIDTH, MASK_WIDTH, 1)
        self.queries, self.query_positions = nn.Parameter(torch.randn(QUERIES, WIDTH)), nn.Parameter(torch.randn(QUERIES, WIDTH))
        self.memory_levels = nn.Parameter(torch.randn(3, WIDTH))
        self.decoder = nn.ModuleList(DecoderLayer() for _ in range(DECODER_LAYERS))
        self.norm, self.classify = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, CLASSES + 1)
        self.embed = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, MASK_WIDTH))
        for i, (h, w) in enumerate(LEVELS):
            self.register_buffer(f"positions{i}", sine_positions(h, w, WIDTH), persistent=False)
        grid = lambda h, w: torch.meshgrid((torch.arange(h) + 0.5) / h, (torch.arange(w) + 0.5) / w, indexing="ij")
        centres = [torch.stack(grid(h, w)[::-1], -1).view(-1, 2) for h, w in LEVELS]
        self.register_buffer("reference", torch.cat(centres), persistent=False)
        for name, p in self.named_parameters():  # Mask2Former: Xavier on the matrices of both transformers
            if p.dim() == 2 and name.startswith(("encoder.", "decoder.")) and "offsets" not in name and "weights" not in name:
                nn.init.xavier_uniform_(p)

    def head(self, x, features, size):
        y = self.norm(x)
        masks = (self.embed(y) @ features.flatten(2)).view(x.shape[0], QUERIES, *features.shape[2:])
        if size is None:
            return self.classify(y), masks, None
        small = F.interpolate(masks.detach(), size=size, mode="bilinear", align_corners=False).flatten(2)
        allowed = small >= 0
        return self.classify(y), masks, allowed | ~allowed.any(-1, keepdim=True)

    def forward(self, images):
        x, stages = F.relu(self.stem_norm(self.stem(images))), []
        for stage in self.stages:
            x = stage(x)
            stages.append(x)
        positions = [getattr(self, f"positions{i}") for i in range(3)]
        tokens = torch.cat([p(f).flatten(2).transpose(1, 2) for p, f in zip(self.project, stages[:0:-1])], 1)
        queries = torch.cat([p + level for p, level in zip(positions, self.encoder_levels)])
        for layer in self.encoder:
            tokens = layer(tokens, queries, self.reference)
        memory = list(tokens.split([h * w for h, w in LEVELS], 1))
        top = memory[2].transpose(1, 2).reshape(images.shape[0], WIDTH, *LEVELS[2])
        top = F.interpolate(top, size=stages[0].shape[2:], mode="bilinear", align_corners=False)
        features = self.mask_features(self.merge(self.lateral(stages[0]) + top))
        memory = [m + level for m, level in zip(memory, self.memory_levels)]
        x = self.queries[None].expand(images.shape[0], -1, -1)
        classes, masks, allowed = self.head(x, features, LEVELS[0])
        all_classes, all_masks = [classes], [masks]
        for i, layer in enumerate(self.decoder):
            x = layer(x, self.query_positions[None], memory[i % 3], positions[i % 3], allowed)
            last = i + 1 == DECODER_LAYERS
            classes, masks, allowed = self.head(x, features, None if last else LEVELS[(i + 1) % 3])
            all_classes.append(classes)
            all_masks.append(masks)
        return torch.stack(all_classes), torch.stack(all_masks)


class DualEncoder(nn.Module):
    """The vision-language model's cost: dense tower, mask pooling, head, 5 descriptions of each class."""

    def __init__(self, width=64, descriptions=5):
        super().__init__()
        unit = lambda i, o, s: (nn.Conv2d(i, o, 3, s, 1, bias=False), nn.GroupNorm(8, o), nn.ReLU())
        sizes = ((3, 24, 2), (24, 48, 1), (48, 64, 2), (64, 96, 1), (96, 96, 1), (96, 128, 1))
        self.tower = nn.Sequential(*(layer for size in sizes for layer in unit(*size)))
        self.head = nn.Sequential(nn.LayerNorm(128), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, width))
        text = F.normalize(torch.randn(CLASSES, descriptions, width), dim=-1)
        self.register_buffer("text", text)

    def probabilities(self, image, masks):
        """image [1, 3, h, w], masks [n, h, w] -> class probabilities [n, K], eq. 8 and 9"""
        features = self.tower(image)
        weights = F.interpolate(masks[:, None], size=features.shape[2:], mode="area")
        pooled = (features * weights).sum((2, 3)) / (weights.sum((2, 3)) + 1e-8)
        logits = 10.0 * torch.einsum("nd,kjd->nkj", F.normalize(self.head(pooled), dim=-1), self.text)
        return (logits.softmax(-1) * logits).sum(-1).softmax(-1)
