"""The PyTorch peer of conv.bench.ts: each line of standard input is a convolution and what to time of it, each answer its time.

One thread. Needs torch.
"""

import json
import sys
import time

import torch
import torch.nn.functional as F


def tensors(case):
    _, height, width, channels = case["x"]
    x = torch.randn(case["x"][0], channels, height, width, requires_grad=True)
    weight = torch.randn(case["outputs"], 1 if case.get("depthwise") else channels, *case["kernel"], requires_grad=True)
    return x, weight


def run(case, what, x, weight):
    groups = x.shape[1] if case.get("depthwise") else 1
    options = {"stride": case["stride"], "padding": case["padding"], "groups": groups}
    start = time.perf_counter()
    if what == "forward":
        with torch.no_grad():
            F.conv2d(x, weight, **options)
    else:
        F.conv2d(x, weight, **options).sum().backward()
    ms = (time.perf_counter() - start) * 1000
    x.grad = weight.grad = None
    return {"ms": ms}


def main():
    torch.set_num_threads(1)
    known = {}
    for line in sys.stdin:
        request = json.loads(line)
        key = json.dumps(request["case"])
        known[key] = known.get(key) or tensors(request["case"])
        print(json.dumps(run(request["case"], request["what"], *known[key])), flush=True)


main()
