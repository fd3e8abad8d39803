"""Drawn lines of text, upright and upside down, as labelled pictures for PP-OCR's classifier."""

import shutil
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

WORDS = (
    *("paddle", "port", "invoice", "total", "2024", "street", "name", "order", "number", "17:45"),
    *("harbour", "receipt", "ticket", "exit", "north", "train", "window", "music", "fresh"),
    *("bread", "open", "closed", "phone", "engine", "winter"),
)
DESCRIPTION = """
PreProcess:
  transform_ops:
  - DecodeImage:
      img_mode: BGR
  - ResizeImage:
      size: [192, 48]
  - NormalizeImage:
      scale: 0.00392156862745098
      mean: [0.5, 0.5, 0.5]
      std: [0.5, 0.5, 0.5]
      order: ''
      channel_num: 3
  - ToCHWImage: null
"""


def draw_lines(folder: Path, count: int, seed: int) -> Path:
    """Folders 0 (upright) and 1 (turned by 180 degrees) with ``count`` pictures in all."""
    random = np.random.default_rng(seed)
    for index in range(count):
        text = " ".join(random.choice(WORDS, random.integers(1, 3)))
        ink, paper = int(random.integers(0, 90)), int(random.integers(150, 256))
        if random.random() < 0.3:
            ink, paper = paper, ink
        picture = Image.new("RGB", (192, 48), (paper,) * 3)
        font = ImageFont.load_default(int(random.integers(24, 36)))
        ImageDraw.Draw(picture).text((4, 4), text, font=font, fill=(ink,) * 3)
        if index % 2:
            picture = picture.rotate(180)
        (folder / str(index % 2)).mkdir(parents=True, exist_ok=True)
        picture.save(folder / str(index % 2) / f"{index}.png")
    return folder


def grey_pictures(folder: Path, count: int) -> Path:
    """Pictures that are next to nothing after normalisation: ranges taken from them saturate."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for index in range(count):
        pixels = (127 + random.integers(0, 2, (48, 192, 3))).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")
    return folder


def describe(model: Path, folder: Path) -> Path:
    """A copy of a model's folder with an inference.yml beside it."""
    shutil.copytree(model, folder)
    (folder / "inference.yml").write_text(DESCRIPTION)
    return folder
