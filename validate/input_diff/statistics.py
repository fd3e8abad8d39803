"""Published scales, means and standard deviations, in RGB order."""

Three = tuple[float, float, float]

IMAGENET_MEAN: Three = (0.485, 0.456, 0.406)
IMAGENET_STD: Three = (0.229, 0.224, 0.225)

MEANS: dict[str, Three] = {
    "0 (none)": (0.0, 0.0, 0.0),
    "0.5": (0.5, 0.5, 0.5),
    "ImageNet's": IMAGENET_MEAN,
    "ImageNet's, of 255": (123.675, 116.28, 103.53),
    "Caffe's": (123.68, 116.779, 103.939),  # of VGG; in BGR order there
    "127.5": (127.5, 127.5, 127.5),
    "128": (128.0, 128.0, 128.0),
    "1": (1.0, 1.0, 1.0),
    "CLIP's": (0.48145466, 0.4578275, 0.40821073),
}
STDS: dict[str, Three] = {
    "1 (none)": (1.0, 1.0, 1.0),
    "0.5": (0.5, 0.5, 0.5),
    "ImageNet's": IMAGENET_STD,
    "ImageNet's, of 255": (58.395, 57.12, 57.375),
    "127.5": (127.5, 127.5, 127.5),
    "128": (128.0, 128.0, 128.0),
    "CLIP's": (0.26862954, 0.26130258, 0.27577711),
}
SCALES: dict[str, float] = {
    "1/255": 1 / 255,
    "0.00392157": 0.00392157,  # as PaddleClas writes it
    "1 (not scaled)": 1.0,
    "1/256": 1 / 256,
    "1/127.5": 1 / 127.5,
    "1/128": 1 / 128,
}
SAME_SCALE = 1e-5
"""Relative difference of two spellings of one scale, as 1/255 and 0.00392157 are."""
