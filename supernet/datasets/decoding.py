"""Image files to arrays, many at once."""

import io
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from supernet.datasets.content import Images, InvalidDataSetError
from supernet.datasets.sources import Mode

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""What is decoded; Pillow's other formats are rare, and some run other programs."""

SUFFIXES = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
)
"""Of the names of image files, in lower case."""

MAX_PIXELS = 64 * 2**20
"""A larger image counts as unreadable: a small file may unpack to a very large one."""

BLOCK = 64
"""Images that one thread decodes before it asks for more."""

_PILLOW_MODES: dict[Mode, str] = {"grey": "L", "rgb": "RGB"}

OnProgress = Callable[[int, int], None]
"""Is told how many of how many images are done."""


@dataclass(frozen=True)
class ImageFile:
    """An image that can be read.

    Attributes:
        name: for people.
        read: returns the file's bytes; may be called from any thread, and may raise anything.
    """

    name: str
    read: Callable[[], bytes]


@dataclass(frozen=True)
class Unreadable:
    """A file that could not be used, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Fit:
    """How images become equal in shape.

    Attributes:
        mode: what their colours are converted to.
        size: (height, width).
        crops: whether other sizes are resized and cropped; if not they are unreadable.
    """

    mode: Mode
    size: tuple[int, int]
    crops: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of every image."""
        return (1 if self.mode == "grey" else 3, *self.size)


@dataclass(frozen=True)
class Decoded:
    """Images, and what is missing among them.

    Attributes:
        images: uint8 of shape (count, channels, height, width), of the readable files only.
        positions: int64 of shape (count,): which file each image is from, ascending.
        unreadable: the other files.
    """

    images: Images
    positions: npt.NDArray[np.int64]
    unreadable: tuple[Unreadable, ...]


def fit_of_first(files: Sequence[ImageFile], mode: Mode | None) -> Fit:
    """Returns the shape of the first image that can be read.

    Args:
        files: in order.
        mode: what to convert to; the first one's own by default.

    Raises:
        InvalidDataSetError: none can be read.
    """
    for file in files:
        try:
            with _open(file.read()) as image:
                own: Mode = "grey" if image.mode[0] in "1LI" else "rgb"
                return Fit(mode or own, (image.height, image.width), crops=False)
        except Exception:  # noqa: S112 -- it is reported when all are decoded
            continue
    raise InvalidDataSetError("jpeg", "must hold images that can be read", f"none of {len(files)}")


def decode(files: Sequence[ImageFile], fit: Fit, on_progress: OnProgress) -> Decoded:
    """Decodes image files, as many at once as the machine has processors.

    Takes the memory of the images (a byte per pixel and channel), twice if some are unreadable; of
    the files only those in work. Decoding leaves Python's lock free, so that threads suffice for
    large images; very small ones keep little more than one processor busy.
    JPEG files that are to shrink are decoded at a fraction of their size, which takes a fraction of
    the time. Images are turned upright as their EXIF data say.

    Args:
        files: what to decode.
        fit: what shape the images get.
        on_progress: called now and then from this thread; what it raises ends the work soon.
    """
    images = np.empty((len(files), *fit.shape), dtype=np.uint8)
    reasons: dict[int, str] = {}

    def decode_block(start: int) -> int:
        stop = min(start + BLOCK, len(files))
        for position in range(start, stop):
            try:
                images[position] = _decode_one(files[position].read(), fit)
            except Exception as error:  # decoders of damaged files raise all sorts
                reasons[position] = _reason(error)
        return stop - start

    done = 0
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        for count in pool.map(decode_block, range(0, len(files), BLOCK)):
            done += count
            on_progress(done, len(files))
    finally:
        pool.shutdown(cancel_futures=True)
    unreadable = tuple(Unreadable(files[i].name, reasons[i]) for i in sorted(reasons))
    positions = np.setdiff1d(np.arange(len(files)), list(reasons)).astype(np.int64)
    return Decoded(images[positions] if reasons else images, positions, unreadable)


def _decode_one(content: bytes, fit: Fit) -> npt.NDArray[np.uint8]:
    height, width = fit.size
    with _open(content) as image:
        mode = _PILLOW_MODES[fit.mode]
        if fit.crops:
            image.draft(mode, (width, height))
        if "exif" in image.info:
            image = ImageOps.exif_transpose(image)
        upright = _of_8_bits(image).convert(mode)
    if upright.size != (width, height):
        if not fit.crops:
            found = f"{upright.height} x {upright.width}"
            raise ValueError(f"must have {height} x {width} pixels, got {found}")
        upright = ImageOps.fit(upright, (width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(upright)
    return pixels[None] if fit.mode == "grey" else pixels.transpose(2, 0, 1)


def _of_8_bits(image: Image.Image) -> Image.Image:
    """Returns an image that Pillow converts without a loss that nobody asked for.

    Raises:
        ValueError: pixels have more than 16 bits.
    """
    if image.mode.startswith("I;16"):  # Pillow would clip at 255
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError("must have 8 or 16 bits per pixel and channel")
    if image.mode == "P" and "transparency" in image.info:
        return image.convert("RGBA")  # what the palette makes transparent keeps its colour
    return image


def _open(content: bytes) -> Image.Image:
    """Returns an image of which only the header was read.

    Raises:
        OSError: it is none of the formats.
        ValueError: it is too large.
    """
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(f"must have at most {MAX_PIXELS} pixels") from error
    if image.width * image.height > MAX_PIXELS:
        rule = f"must have at most {MAX_PIXELS} pixels, got {image.width} x {image.height}"
        raise ValueError(rule)
    return image


def _reason(error: Exception) -> str:
    """Returns an error in one line that names no object of this process."""
    if isinstance(error, UnidentifiedImageError):
        return f"must be one of {', '.join(FORMATS)}"
    return " ".join(str(error).split())[:200] or type(error).__name__
