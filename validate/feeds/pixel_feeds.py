"""Feeds of a file that normalises pictures itself: 8-bit pixels for it, normalised for Paddle."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from paddleport.errors import FeedError
from paddleport.models.preprocess import Preprocess
from paddleport.runners.preprocessing.prepare_image import crop_image, preprocess_image
from paddleport.tensors import Array, Feed, TensorSpec, check_feed
from paddleport.validate.feeds.named_feed import DEFAULT_SIZE, FeedKind, NamedFeed, extreme_masks

_NOISE_SEED = 20_261_125


@dataclass(frozen=True)
class PixelInput:
    """The input of an ONNX file that takes 8-bit pictures, and what Paddle is fed instead.

    Attributes:
        spec: [N, H, W, 3] uint8 under the Paddle input's name.
        paddle: how a picture becomes the Paddle model's input.
        file: how it is resized and cropped for the file, and its order of channels.
    """

    spec: TensorSpec
    paddle: Preprocess
    file: Preprocess

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of what is made up: the file's, else the preprocessing's."""
        default = self.file.size or (DEFAULT_SIZE, DEFAULT_SIZE)
        height, width = self.spec.shape[1:3]
        return height or default[0], width or default[1]

    @property
    def batch(self) -> int:
        """Pictures in a feed: as the file has it fixed, else 1."""
        return self.spec.shape[0] or 1

    def convert(self, picture: Array, batch: int, *, name: str) -> tuple[Array, Array]:
        """A picture of any size in every position of a batch.

        Args:
            picture: [height, width, 3] uint8 BGR.
            batch: how often.
            name: what to call it in an error.

        Returns:
            Paddle's [N, 3, H, W] float32, and the file's [N, H, W, 3] uint8.
        """
        tensor = preprocess_image(picture, self.paddle, name=name)
        pixels = crop_image(picture, self.file, name=name)
        return np.stack([tensor] * batch), self._checked(np.stack([pixels] * batch))

    def convert_uncropped(self, picture: Array, batch: int) -> tuple[Array, Array]:
        """As ``convert``, of a picture that has the right size already and is taken as it is."""
        whole = replace(self, paddle=_uncropped(self.paddle), file=_uncropped(self.file))
        return whole.convert(picture, batch, name="a made-up picture")

    def convert_pixels(self, pixels: Array) -> tuple[Array, Array]:
        """As ``convert``, of [N, H, W, 3] in the file's order of channels.

        Raises:
            FeedError: anything else, such as a picture that is normalised already.
        """
        if isinstance(pixels, np.ndarray) and pixels.dtype != np.uint8:
            raise FeedError(
                f"input {self.spec.name} got {pixels.dtype}, and the file normalises pictures "
                f"itself: give it what is cropped and not yet normalised, {self.spec}"
            )
        self._checked(pixels)
        bgr = pixels[..., ::-1] if self.file.channels == "RGB" else pixels
        rules = _uncropped(self.paddle)
        return np.stack([preprocess_image(item, rules) for item in bgr]), pixels

    def noise(self) -> Array:
        """Seeded noise in all 8 bits, [H, W, 3] BGR."""
        generator = np.random.Generator(np.random.PCG64(_NOISE_SEED))
        return generator.integers(0, 256, (*self.size, 3), np.uint8)

    def extremes(self) -> Iterator[tuple[str, Array]]:
        """Name and picture of every extreme, [H, W, 3]."""
        for name, mask in extreme_masks(*self.size):
            yield name, np.where(mask, 255, 0).astype(np.uint8)

    def _checked(self, pixels: Array) -> Array:
        check_feed([self.spec], {self.spec.name: pixels})
        return pixels


def _uncropped(rules: Preprocess) -> Preprocess:
    return replace(rules, resize_short=None, resize=None, crop=None)


def pixel_feeds(
    pixels: PixelInput, pictures: Sequence[tuple[str, Array]], batch: int
) -> list[NamedFeed]:
    """The pictures, each in every position of a batch, and noise.

    Raises:
        FeedError: a picture comes to another size than the file takes.
        ImageError: a picture that is too small to be cropped.
    """
    feeds = [
        replace(
            _named(pixels, name, "picture", pixels.convert(picture, batch, name=name)),
            picture=picture,
        )
        for name, picture in pictures
    ]
    noise = pixels.convert_uncropped(pixels.noise(), batch)
    return [*feeds, _named(pixels, "noise 0", "noise", noise)]


def extreme_pixels(pixels: PixelInput, batch: int) -> list[NamedFeed]:
    """Black, white, saturated and one hot pixel, in every position of a batch."""
    return [
        _named(pixels, name, "extreme", pixels.convert_uncropped(picture, batch))
        for name, picture in pixels.extremes()
    ]


def given_pixels(pixels: PixelInput, given: Feed, name: str = "given") -> NamedFeed:
    """What the user gives for the file; Paddle gets it normalised.

    Raises:
        FeedError: it is not 8 bits of the file's size.
    """
    if set(given) != {pixels.spec.name}:
        check_feed([pixels.spec], given)  # which says so
    return _named(pixels, name, "given", pixels.convert_pixels(given[pixels.spec.name]))


def _named(
    pixels: PixelInput, name: str, kind: FeedKind, tensors: tuple[Array, Array]
) -> NamedFeed:
    tensor, raw = tensors
    return NamedFeed(name=name, kind=kind, tensors={pixels.spec.name: tensor}, pixels=raw)
