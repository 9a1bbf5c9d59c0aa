"""Ten steps of PyTorch's SGD with momentum, weight decay and clipping, for the test in src/train/optimizer/tests.rs. Writes sgd.json
beside this file. Parameters and gradients are those of adamw.py.

Run: python tests/golden/sgd.py (PyTorch 2)."""

import json
from pathlib import Path

import torch

SIZES = [6, 20, 3, 3, 4]  # backbone weight, weight, bias, norm, embedding
DECAYED = [True, True, False, False, True]
params = [torch.nn.Parameter(torch.tensor([((i * 5 + k * 3) % 7) / 4 - 0.75 for i in range(n)])) for k, n in enumerate(SIZES)]
groups = [
    {"params": [p], "weight_decay": 0.05 if decayed else 0.0, "factor": 0.1 if k == 0 else 1.0}
    for k, (p, decayed) in enumerate(zip(params, DECAYED))
]
optimizer = torch.optim.SGD(groups, lr=0.01, momentum=0.9)
norms = []
for step in range(10):
    for k, p in enumerate(params):
        p.grad = torch.tensor([((i * 7 + k * 5 + step * 3) % 11) / 8 - 0.625 for i in range(p.numel())])
    norms.append(torch.nn.utils.clip_grad_norm_(params, 1.5).item())
    for group in optimizer.param_groups:
        group["lr"] = 0.05 / (1 + step) * group["factor"]
    optimizer.step()
result = {"norms": norms, "values": [p.tolist() for p in params]}
Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
