"""Writes arrays as a .safetensors file, without the library of that name."""

import json

import numpy as np


def save_tensors(path, tensors):
    header, data = {}, b""
    for name, value in tensors.items():
        array = np.ascontiguousarray(value)
        dtype = {"float32": "F32", "int32": "I32"}[str(array.dtype)]
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
