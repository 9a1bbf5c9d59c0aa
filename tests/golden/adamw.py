"""Ten steps of PyTorch's AdamW with clipping, for the test in src/train/optimizer.rs. Writes adamw.json beside this file.

Run: python tests/golden/adamw.py (PyTorch 2)."""

import json
from pathlib import Path

import torch

SIZES = [6, 20, 3, 3, 4]  # backbone weight, weight, bias, norm, embedding
DECAYED = [True, True, False, False, True]
params = [
    torch.nn.Parameter(torch.tensor([((i * 5 + k * 3) % 7) / 4 - 0.75 for i in range(n)]))
    for k, n in enumerate(SIZES)
]
groups = [
    {"params": [p], "weight_decay": 0.05 if decayed else 0.0, "factor": 0.1 if k == 0 else 1.0}
    for k, (p, decayed) in enumerate(zip(params, DECAYED))
]
optimizer = torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.98), eps=1e-8)
norms = []
for step in range(10):
    for k, p in enumerate(params):
        p.grad = torch.tensor([((i * 7 + k * 5 + step * 3) % 11) / 8 - 0.625 for i in range(p.numel())])
    norms.append(torch.nn.utils.clip_grad_norm_(params, 1.5).item())
    for group in optimizer.param_groups:
        group["lr"] = 0.01 / (1 + step) * group["factor"]
    optimizer.step()
result = {"norms": norms, "values": [p.tolist() for p in params]}
Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
