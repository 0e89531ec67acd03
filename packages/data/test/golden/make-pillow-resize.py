import json, PIL
from PIL import Image, ImageOps
def image(w, h):
    return Image.frombytes("RGB", (w, h), bytes(((i * 7919) >> 3) & 255 for i in range(w * h * 3)))
cases = []
for (w, h, W, H) in [(13, 7, 5, 3), (13, 7, 29, 17), (64, 48, 17, 19), (9, 40, 9, 11), (40, 9, 11, 9), (1, 1, 3, 2), (300, 2, 3, 2)]:
    for mode in ("stretch", "cover"):
        im = image(w, h)
        out = im.resize((W, H), Image.BILINEAR) if mode == "stretch" else ImageOps.fit(im, (W, H), Image.BILINEAR)
        cases.append(dict(mode=mode, source=[h, w], size=[H, W], data=list(out.tobytes())))
im = image(40, 30)
cases.append(dict(mode="crop", source=[30, 40], box=dict(top=4, left=7, height=21, width=16), size=[8, 8],
    data=list(im.crop((7, 4, 23, 25)).resize((8, 8), Image.BILINEAR).tobytes())))
print(json.dumps(dict(script="packages/data/test/golden/make-pillow-resize.py", pillow=PIL.__version__, cases=cases), separators=(",", ":")))
