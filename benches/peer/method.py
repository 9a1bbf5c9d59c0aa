"""What surrounds the network in one training step: views, losses with Hungarian matching, the teacher's pseudo-labels.

The equations are those of PL-DC (AAAI 2026); the numbers are those of `recipes/pl-dc.toml`.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment

from model import CLASSES, SIZE

WEIGHTS, NO_OBJECT, POINTS, OVERSAMPLE, IMPORTANCE = (2.0, 5.0, 5.0), 0.1, 256, 3, 0.75
MIN_AREA, DUPLICATE_IOU, ALPHA, CLASS_MARGIN, MASK_MARGIN = 5, 0.5, 0.999, 0.2, 0.1
ERASINGS = ((0.7, 0.05, 0.2, 0.3, 3.3), (0.5, 0.02, 0.2, 0.1, 6.0), (0.3, 0.02, 0.2, 0.05, 8.0))
LUMA = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
TO_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
TO_RGB = torch.linalg.inv(TO_YIQ)


def normalise(images):
    return (images - 0.5) / 0.25


def weak_view(pictures, masks=None, classes=None):
    """Flip and scale jitter 0.8 to 1.25, one resampling; padding is mid-grey."""
    batch = len(pictures)
    flip = torch.where(torch.rand(batch) < 0.5, -1.0, 1.0)
    scale = torch.exp(torch.empty(batch).uniform_(-0.223, 0.223))
    scale = torch.where(torch.rand(batch) < 0.5, scale, torch.ones(batch))
    affine = torch.zeros(batch, 2, 3)
    affine[:, 0, 0], affine[:, 1, 1] = flip / scale, 1 / scale
    affine[:, :, 2] = (torch.rand(batch, 2) * 2 - 1) * (1 - 1 / scale)[:, None].abs()
    grid = F.affine_grid(affine, (batch, 3, SIZE, SIZE), align_corners=False)
    images = F.grid_sample(pictures.float() / 255 - 0.5, grid, align_corners=False) + 0.5
    if masks is None:
        return images
    warped = F.grid_sample(masks.float(), grid, align_corners=False) > 0.5
    kept = [(classes[b] >= 0) & (warped[b].sum((1, 2)) >= 8) for b in range(batch)]
    return images, [classes[b, k] for b, k in enumerate(kept)], [warped[b, k].float() for b, k in enumerate(kept)]


def strong_view(images):
    """Colour jitter, grayscale, blur, three erasings: the photometric view of the same geometry."""
    batch, x = len(images), images
    jittered = torch.rand(batch) < 0.8
    factor = lambda: torch.where(jittered, torch.empty(batch).uniform_(0.6, 1.4), torch.ones(batch)).view(batch, 1, 1, 1)
    x = (x * factor()).clamp(0, 1)
    mean, f = (x * LUMA).sum(1, keepdim=True).mean((2, 3), keepdim=True), factor()
    x = (x * f + mean * (1 - f)).clamp(0, 1)
    grey, f = (x * LUMA).sum(1, keepdim=True), factor()
    x = (x * f + grey * (1 - f)).clamp(0, 1)
    angle = torch.where(jittered, torch.empty(batch).uniform_(-0.03, 0.03), torch.zeros(batch)) * 2 * math.pi
    turn = torch.zeros(batch, 3, 3)
    turn[:, 0, 0], turn[:, 1, 1], turn[:, 1, 2], turn[:, 2, 1], turn[:, 2, 2] = 1, angle.cos(), -angle.sin(), angle.sin(), angle.cos()
    x = torch.einsum("bij,bjhw->bihw", TO_RGB @ turn @ TO_YIQ, x).clamp(0, 1)
    x = torch.where((torch.rand(batch) < 0.2).view(batch, 1, 1, 1), (x * LUMA).sum(1, keepdim=True).expand_as(x), x)
    sigma = torch.where(torch.rand(batch) < 0.5, torch.empty(batch).uniform_(0.1, 0.9), torch.full((batch,), 0.05))
    tap = torch.arange(-2, 3.0)
    kernel = torch.exp(-tap * tap / (2 * sigma[:, None] ** 2))
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(3, 0)
    padded = F.pad(x, (2, 2, 2, 2), mode="replicate").reshape(1, batch * 3, SIZE + 4, SIZE + 4)
    x = F.conv2d(F.conv2d(padded, kernel.view(-1, 1, 5, 1), groups=batch * 3), kernel.view(-1, 1, 1, 5), groups=batch * 3)
    x = x.view(batch, 3, SIZE, SIZE)
    for probability, low, high, narrow, wide in ERASINGS:
        for b in range(batch):
            area, ratio = np.random.uniform(low, high) * SIZE * SIZE, np.exp(np.random.uniform(np.log(narrow), np.log(wide)))
            h, w = round((area * ratio) ** 0.5), round((area / ratio) ** 0.5)
            if np.random.rand() < probability and 0 < h < SIZE and 0 < w < SIZE:
                top, left = np.random.randint(0, SIZE - h + 1), np.random.randint(0, SIZE - w + 1)
                x[b, :, top : top + h, left : left + w] = torch.randn(3, h, w) * 0.25 + 0.5
    return x


def sample(planes, points):
    """planes [N, C, h, w], points [N, P, 2] in [0, 1] -> [N, C, P]"""
    return F.grid_sample(planes, (2 * points - 1)[:, :, None], align_corners=False)[..., 0]


def match(classes, masks, target_classes, target_masks, counts):
    """Hungarian matching of every layer and image on 256 shared random points -> index tensors (layer, image, query, target)."""
    layers, batch, queries, _ = classes.shape
    points = torch.rand(batch, POINTS, 2)
    logits = sample(masks.transpose(0, 1).reshape(batch, layers * queries, *masks.shape[3:]), points)
    logits, targets = logits.view(batch, layers, queries, POINTS), sample(target_masks, points)[:, None]
    p = logits.sigmoid()
    bce = (F.softplus(logits).sum(-1, keepdim=True) - logits @ targets.transpose(2, 3)) / POINTS
    dice = 1 - (2 * (p @ targets.transpose(2, 3)) + 1) / (p.sum(-1, keepdim=True) + targets.sum(-1)[:, :, None] + 1)
    index = target_classes[:, None, None].expand(batch, layers, queries, -1)
    score = classes.softmax(-1).transpose(0, 1).gather(3, index)
    cost = (-WEIGHTS[0] * score + WEIGHTS[1] * bce + WEIGHTS[2] * dice).numpy()
    found = []
    for b in range(batch):
        for layer in range(layers if counts[b] else 0):
            rows, columns = linear_sum_assignment(cost[b, layer, :, : counts[b]])
            found += [(layer, b, r, c) for r, c in zip(rows.tolist(), columns.tolist())]
    return torch.tensor(found).T


def losses(classes, masks, target_classes, target_masks, uncertainty=None):
    """Weighted sum of class, mask and dice losses over all layers. Targets are lists over the images."""
    counts = [len(t) for t in target_classes]
    if sum(counts) == 0:
        return classes.sum() * 0
    pad = lambda parts: torch.nn.utils.rnn.pad_sequence(parts, batch_first=True)
    with torch.no_grad():
        all_classes, all_masks = pad(target_classes), pad(target_masks)
        layer, image, query, target = match(classes.detach(), masks.detach(), all_classes, all_masks, counts)
        labels = torch.full(classes.shape[:3], CLASSES)
        labels[layer, image, query] = all_classes[image, target]
        weights = torch.ones(CLASSES + 1)
        weights[-1] = NO_OBJECT
    nll = -classes.log_softmax(-1).gather(3, labels[..., None])[..., 0]
    w = weights[labels]
    class_loss = ((nll * w).sum((1, 2)) / w.sum((1, 2))).sum()
    matched, truth, n = masks[layer, image, query][:, None], all_masks[image, target][:, None], len(layer)
    with torch.no_grad():
        candidates, important = torch.rand(n, OVERSAMPLE * POINTS, 2), int(IMPORTANCE * POINTS)
        chosen = sample(matched.detach(), candidates)[:, 0].abs().topk(important, dim=1, largest=False)[1]
        points = torch.cat([candidates.gather(1, chosen[..., None].expand(-1, -1, 2)), torch.rand(n, POINTS - important, 2)], 1)
        t = sample(truth, points)[:, 0]
    logits = sample(matched, points)[:, 0]
    bce = F.binary_cross_entropy_with_logits(logits, t, reduction="none")
    if uncertainty is not None:  # PMUA, eq. 14
        bce = bce * (1 - sample(pad(uncertainty)[image, target][:, None], points)[:, 0])
    p, count = logits.sigmoid(), sum(counts)
    dice = (1 - (2 * (p * t).sum(1) + 1) / (p.sum(1) + t.sum(1) + 1)).sum() / count
    return WEIGHTS[0] * class_loss + WEIGHTS[1] * bce.mean(1).sum() / count + WEIGHTS[2] * dice


def without_duplicates(chosen, score, masks):
    chosen = chosen[score[chosen].argsort(descending=True)]
    flat = masks[chosen].flatten(1)
    overlap, area = flat @ flat.T, flat.sum(1)
    iou, alive = overlap / (area[:, None] + area[None] - overlap + 1e-6), torch.ones(len(chosen), dtype=torch.bool)
    for rank in range(len(chosen)):
        if alive[rank]:
            alive[rank + 1 :] &= ~(iou[rank, rank + 1 :] > DUPLICATE_IOU)
    return chosen[alive]


class PseudoLabels:
    """DF-ACAT thresholds per class, DICC on what they keep, PMUA's uncertainty."""

    def __init__(self, frequency, class_range, mask_range, accept):
        self.class_threshold = class_range[0] + (class_range[1] - class_range[0]) * frequency  # eq. 5
        self.mask_threshold = mask_range[0] + (mask_range[1] - mask_range[0]) * frequency
        self.accept = accept

    @torch.no_grad()
    def __call__(self, teacher, vlm, images, weight):
        """images [B, 3, h, w] -> lists of classes, masks, uncertainties"""
        classes, masks = teacher(normalise(images))
        logits = F.interpolate(masks[-1], size=(SIZE, SIZE), mode="bilinear", align_corners=False)
        p, binary, all_scores = logits.sigmoid(), (logits > 0).float(), classes[-1].softmax(-1)
        area = binary.sum((2, 3))
        mask_quality = (p * binary).sum((2, 3)) / (area + 1e-6)  # eq. 4
        class_quality, kind = all_scores[..., :CLASSES].max(-1)  # eq. 3
        out = [], [], []
        for b in range(len(images)):
            c, m, k, big = class_quality[b], mask_quality[b], kind[b], area[b] > MIN_AREA
            tc, tm = self.class_threshold[k], self.mask_threshold[k]
            high = (c >= tc) & (m >= tm) & big
            medium = (c >= tc - CLASS_MARGIN) & (m >= tm - MASK_MARGIN) & big & ~high
            foreground = all_scores[b].argmax(-1) < CLASSES
            for one in k[foreground].unique().tolist():  # eq. 6
                rows = foreground & (k == one)
                self.class_threshold[one] = ALPHA * self.class_threshold[one] + (1 - ALPHA) * c[rows].mean()
                self.mask_threshold[one] = ALPHA * self.mask_threshold[one] + (1 - ALPHA) * m[rows].mean()
            used, label, chosen = high.clone(), k.clone(), torch.nonzero(high | medium)[:, 0]
            if len(chosen):  # eq. 10 to 12
                own = classes[-1, b, chosen, :CLASSES].softmax(-1)
                fused = weight * vlm.probabilities(normalise(images[b : b + 1]), binary[b, chosen]) + (1 - weight) * own
                value, label[chosen] = fused.max(-1)
                used[chosen] |= value >= self.accept
            kept = without_duplicates(torch.nonzero(used)[:, 0], c * m + high.float(), binary[b])
            for part, value in zip(out, (label[kept], binary[b, kept], 1 - 2 * (p[b, kept] - 0.5).abs())):  # eq. 13
                part.append(value)
        return out
