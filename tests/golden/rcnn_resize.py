"""The small Mask R-CNN of `mask_rcnn.py` on pictures that torchvision resizes.

Writes `rcnn_resize.safetensors` beside this file. For every case (the lengths `min_size` and `max_size`, one picture larger and one
smaller than the network's input):

- `<case>.size`: rows and columns of the input, without the padding;
- `<case>.input`: the normalised values of every 7th row and column, `[rows, columns, 3]`;
- `<case>.boxes`, `.labels`, `.scores`, `.masks`: the detections, in pixels of the input.
"""

import pathlib

import numpy as np
import torch
from mask_rcnn import PICTURES, model, picture
from safetensors.numpy import load_file, save_file

HERE = pathlib.Path(__file__).parent
EVERY = 7
CASES = [(80, 110, 0), (80, 110, 1), (131, 200, 0), (131, 200, 1), (61, 999, 0)]


def main() -> None:
    net = model("torchvision")
    net.load_state_dict({name: torch.from_numpy(value) for name, value in load_file(HERE / "mask_rcnn_weights.safetensors").items()})
    net.eval()
    small: list[torch.Tensor] = []
    net.roi_heads.mask_predictor.register_forward_hook(lambda _, __, logits: small.append(logits))
    out: dict[str, np.ndarray] = {}
    for shorter, longer, number in CASES:
        case = f"{shorter}-{longer}-{number}"
        net.transform.min_size, net.transform.max_size = (shorter,), longer
        with torch.no_grad():
            images, _ = net.transform([picture(number)])
            features = net.backbone(images.tensors)
            proposals, _ = net.rpn(images, features)
            small.clear()
            found = net.roi_heads(features, proposals, images.image_sizes)[0][0]
        rows, columns = images.image_sizes[0]
        labels = found["labels"]
        out[f"{case}.size"] = np.array([rows, columns], dtype=np.float32)
        values = images.tensors[0, :, :rows:EVERY, :columns:EVERY]
        out[f"{case}.input"] = values.permute(1, 2, 0).contiguous().numpy()
        out[f"{case}.boxes"] = found["boxes"].numpy()
        out[f"{case}.labels"] = (labels - 1).float().numpy()
        out[f"{case}.scores"] = found["scores"].numpy()
        out[f"{case}.masks"] = small[0][torch.arange(len(labels)), labels].sigmoid().reshape(len(labels), -1).numpy()
        gap = min((-np.diff(out[f"{case}.scores"])).tolist() + [1.0])
        print(case, PICTURES[number], "->", (rows, columns), len(labels), "smallest distance of scores", gap)
    save_file(out, HERE / "rcnn_resize.safetensors")


if __name__ == "__main__":
    main()
