"""Makes golden/nn/distillation: a student's and a teacher's logits, the loss of knowledge distillation by PyTorch's own
kl_div and cross_entropy, and its gradient by autograd, in double precision.

Run: pip install torch numpy && python tools/golden/make_distillation.py
"""

import json
import pathlib
import platform

import numpy as np
import torch
import torch.nn.functional as F

from save_tensors import save_tensors

out = pathlib.Path(__file__).parents[2] / "golden" / "nn"
seed = 1503_02531
rows, vocabulary, kept, ignored = 7, 37, 5, -100
cases = [
    {"temperature": 1.0, "alpha": 1.0},
    {"temperature": 2.0, "alpha": 0.5},
    {"temperature": 4.0, "alpha": 0.9},
    {"temperature": 0.5, "alpha": 0.25},
]


def loss_of(student, teacher, targets, temperature, alpha, ids=None):
    """Hinton et al. 2015, sec. 2: soft targets at a temperature, times its square, and the hard ones."""
    counted = targets != ignored
    log_q = F.log_softmax(student / temperature, -1)
    log_q = log_q if ids is None else log_q.gather(-1, ids)
    log_p = F.log_softmax(teacher / temperature, -1)
    soft = F.kl_div(log_q, log_p, reduction="none", log_target=True).sum(-1)[counted].mean()
    hard = F.cross_entropy(student, targets, ignore_index=ignored)
    return alpha * temperature**2 * soft + (1 - alpha) * hard


def main():
    rng = np.random.default_rng(seed)
    student = (3 * rng.standard_normal((rows, vocabulary))).astype(np.float32)
    teacher = (3 * rng.standard_normal((rows, vocabulary))).astype(np.float32)
    targets = rng.integers(0, vocabulary, rows).astype(np.int32)
    targets[2] = ignored
    top = torch.topk(torch.tensor(teacher), kept, -1)
    tensors = {
        "student": student,
        "teacher": teacher,
        "targets": targets,
        "top_logits": top.values.numpy(),
        "top_ids": top.indices.numpy().astype(np.int32),
    }
    results = []
    for i, case in enumerate(cases):
        for kind in ("all", "top"):
            s = torch.tensor(student, dtype=torch.float64, requires_grad=True)
            t = torch.tensor(teacher, dtype=torch.float64) if kind == "all" else top.values.double()
            ids = None if kind == "all" else top.indices
            loss = loss_of(s, t, torch.tensor(targets).long(), ids=ids, **case)
            loss.backward()
            tensors[f"grad.{i}.{kind}"] = s.grad.float().numpy()
            results.append({**case, "kind": kind, "loss": loss.item(), "grad": f"grad.{i}.{kind}"})
    out.mkdir(parents=True, exist_ok=True)
    save_tensors(out / "distillation.safetensors", tensors)
    about = {
        "source": "tools/golden/make_distillation.py: torch.nn.functional.kl_div, cross_entropy; gradients by autograd",
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
        "seed": seed,
        "ignored": ignored,
        "cases": results,
    }
    (out / "distillation.json").write_text(json.dumps(about, indent=1) + "\n")


main()
