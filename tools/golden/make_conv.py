"""Makes golden/tensor/conv: convolutions by PyTorch in float64, with all gradients, in PyTorch's layouts.

Run: pip install torch numpy && python tools/golden/make_conv.py
"""

import json
import pathlib
import platform

import numpy
import torch
from save_tensors import save_tensors
from torch.nn import functional

out = pathlib.Path(__file__).parents[2] / "golden" / "tensor"
SEED = 20
CASES = {
    "padded": dict(x=(2, 6, 9, 11), outputs=10, kernel=(3, 3), stride=(1, 1), padding=(1, 1), dilation=(1, 1), groups=1),
    "strided": dict(x=(1, 3, 13, 12), outputs=8, kernel=(3, 3), stride=(2, 2), padding=(1, 1), dilation=(1, 1), groups=1),
    "dilated": dict(x=(2, 5, 12, 10), outputs=7, kernel=(3, 2), stride=(1, 3), padding=(2, 0), dilation=(2, 3), groups=1),
    "grouped": dict(x=(2, 6, 7, 8), outputs=9, kernel=(2, 3), stride=(2, 1), padding=(0, 2), dilation=(1, 2), groups=3),
    "depthwise": dict(x=(1, 18, 10, 9), outputs=18, kernel=(3, 3), stride=(2, 1), padding=(1, 1), dilation=(1, 1), groups=18),
    "catlip-stem": dict(x=(1, 3, 16, 20), outputs=8, kernel=(4, 4), stride=(4, 4), padding=(1, 1), dilation=(1, 1), groups=1),
    "byteformer": dict(x=(2, 12, 37), outputs=12, kernel=(4,), stride=(2,), padding=(0,), dilation=(1,), groups=1),
}  # fmt: skip


def main() -> None:
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(SEED)
    tensors = {}
    for name, case in CASES.items():
        x = torch.randn(case["x"], dtype=torch.float32)
        weight = torch.randn(case["outputs"], x.shape[1] // case["groups"], *case["kernel"], dtype=torch.float32)
        bias = torch.randn(case["outputs"], dtype=torch.float32)
        inputs = [t.double().requires_grad_() for t in (x, weight, bias)]
        convolve = functional.conv1d if x.ndim == 3 else functional.conv2d
        y = convolve(*inputs, case["stride"], case["padding"], case["dilation"], case["groups"])
        dy = torch.randn(y.shape, dtype=torch.float32)
        y.backward(dy.double())
        parts = {"x": x, "weight": weight, "bias": bias, "dy": dy, "y": y.detach()}
        parts |= {f"d{n}": t.grad for n, t in zip(("x", "weight", "bias"), inputs)}
        for part, value in parts.items():
            tensors[f"{name}.{part}"] = value.float().contiguous().numpy()
    save_tensors(out / "conv.safetensors", tensors)
    record = {
        "source": "tools/golden/make_conv.py: torch.nn.functional.conv1d and conv2d in float64, rounded to float32",
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": numpy.__version__},
        "seed": SEED,
        "meaning": "x [B, C, ...], weight [outputs, C / groups, ...], bias, dy and y [B, outputs, ...]; dx, dweight, dbias for sum(y * dy)",
        "cases": CASES,
    }
    (out / "conv.json").write_text(json.dumps(record, indent=1) + "\n")


main()
