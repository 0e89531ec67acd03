"""OpenELM's training step in PyTorch, eager, on the CPU: the peer behind openelm-torch.ts.

Reads a line of JSON for each request on standard input, and answers each with a line. The first request gives the shape,
the threads and a file of the start weights; every further one a batch, which is one step.
"""

import json
import sys
import time

import numpy
import torch
from torch import nn
from torch.nn import functional as F

EPS = 1e-6


class Attention(nn.Module):
    def __init__(self, dim, heads, kv_heads, head_dim):
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = heads, kv_heads, head_dim
        self.qkv_proj = nn.Linear(dim, (heads + 2 * kv_heads) * head_dim, bias=False)
        self.q_norm = nn.RMSNorm(head_dim, eps=EPS)
        self.k_norm = nn.RMSNorm(head_dim, eps=EPS)
        self.out_proj = nn.Linear(heads * head_dim, dim, bias=False)

    def forward(self, x, rotate):
        B, T, _ = x.shape
        joint = self.qkv_proj(x).view(B, T, -1, self.head_dim).transpose(1, 2)  # [B, H + 2 Hkv, T, d]
        q, k, v = joint.split([self.heads, self.kv_heads, self.kv_heads], dim=1)
        q, k = rotate(self.q_norm(q)), rotate(self.k_norm(k))
        group = self.heads // self.kv_heads
        k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)  # [B, H, T, d]
        return self.out_proj(y.transpose(1, 2).reshape(B, T, -1))


class FeedForward(nn.Module):
    def __init__(self, dim, width):
        super().__init__()
        self.proj_1 = nn.Linear(dim, 2 * width, bias=False)
        self.proj_2 = nn.Linear(width, dim, bias=False)

    def forward(self, x):
        gate, up = self.proj_1(x).chunk(2, dim=-1)
        return self.proj_2(F.silu(gate) * up)


class Layer(nn.Module):
    def __init__(self, dim, heads, kv_heads, head_dim, width):
        super().__init__()
        self.attn_norm = nn.RMSNorm(dim, eps=EPS)
        self.attn = Attention(dim, heads, kv_heads, head_dim)
        self.ffn_norm = nn.RMSNorm(dim, eps=EPS)
        self.ffn = FeedForward(dim, width)

    def forward(self, x, rotate):
        x = x + self.attn(self.attn_norm(x), rotate)
        return x + self.ffn(self.ffn_norm(x))


class OpenElm(nn.Module):
    def __init__(self, shape):
        super().__init__()
        dim, head_dim = shape["dim"], shape["headDim"]
        self.token_embeddings = nn.Embedding(shape["vocab"], dim)
        widths = zip(shape["numQueryHeads"], shape["numKvHeads"], shape["ffnDims"])
        self.layers = nn.ModuleList(Layer(dim, h, kv, head_dim, ffn) for h, kv, ffn in widths)
        self.norm = nn.RMSNorm(dim, eps=EPS)
        self.head_dim = head_dim

    def forward(self, tokens):
        rotate = rotary(tokens.shape[1], self.head_dim)
        x = self.token_embeddings(tokens)
        for layer in self.layers:
            x = layer(x, rotate)
        return F.linear(self.norm(x), self.token_embeddings.weight)  # the head is the embedding


def rotary(length, head_dim):
    """x to x cos + (-x2, x1) sin, with angles t 10000^(-2 i / d)."""
    frequencies = 10000.0 ** (-torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)
    angles = torch.outer(torch.arange(length, dtype=torch.float64), frequencies).repeat(1, 2)
    cos, sin = angles.cos().float(), angles.sin().float()

    def rotate(x):
        first, second = x.chunk(2, dim=-1)
        return x * cos + torch.cat((-second, first), dim=-1) * sin

    return rotate


def load(model, path, shapes):
    values = torch.from_numpy(numpy.fromfile(path, dtype=numpy.float32))
    sizes = [int(numpy.prod(shape)) for shape in shapes.values()]
    state = {name: part.view(shapes[name]) for name, part in zip(shapes, values.split(sizes))}
    model.load_state_dict(state)  # strict: every name, no other


def step(model, optimizer, request):
    size = (request["batch"], request["length"])
    tokens = torch.tensor(request["tokens"]).view(size)
    targets = torch.tensor(request["targets"]).view(-1)
    start = time.perf_counter()
    optimizer.zero_grad(set_to_none=True)
    logits = model(tokens).flatten(0, 1)  # [N, V]
    lse = logits.logsumexp(-1)
    hits = logits.gather(1, targets[:, None]).squeeze(1)
    loss = (lse - hits).mean() + request["zLoss"] * lse.square().mean()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), request["clipNorm"])
    optimizer.step()
    return {"value": loss.item(), "ms": (time.perf_counter() - start) * 1000}


def main():
    setting = json.loads(sys.stdin.readline())
    torch.set_num_threads(setting["threads"])
    model = OpenElm(setting["shape"])
    load(model, setting["weights"], setting["parameterShapes"])
    matrices = [p for p in model.parameters() if p.dim() > 1]
    gains = [p for p in model.parameters() if p.dim() == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": gains, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=setting["learningRate"], betas=(0.9, 0.95), eps=1e-8)
    print(json.dumps({"version": torch.__version__}), flush=True)
    for line in sys.stdin:
        print(json.dumps(step(model, optimizer, json.loads(line))), flush=True)


main()
