"""Request bodies, all made before any clock starts."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from PIL import Image

from load_tests.errors import UsageError

JSON_TYPE = "application/json"
MEDIA_TYPES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
}
_MAX_FILES = 64  # more would only fill memory


@dataclass(frozen=True, slots=True)
class Photo:
    """An encoded image and its media type."""

    name: str
    data: bytes
    media_type: str = "image/jpeg"


@dataclass(frozen=True, slots=True)
class Payload:
    """A complete request body; `images` is how many are in it, `good` whether it can be scored."""

    name: str
    body: bytes
    content_type: str = JSON_TYPE
    images: int = 1
    good: bool = True


def read_photos(folder: Path) -> list[Photo]:
    """Read the first 64 images below `folder`, by path. Raises UsageError when there are none."""
    if not folder.is_dir():
        raise UsageError(
            f"--images {folder} is not a folder; name one with JPEG, PNG or WebP files"
        )
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in MEDIA_TYPES)
    if not paths:
        raise UsageError(f"--images {folder} holds no image (looked for {', '.join(MEDIA_TYPES)})")
    return [
        Photo(p.name, p.read_bytes(), MEDIA_TYPES[p.suffix.lower()]) for p in paths[:_MAX_FILES]
    ]


def make_photos(count: int = 16, *, size_wh: tuple[int, int] = (500, 666)) -> list[Photo]:
    """Smooth colours under noise, which JPEG packs as it packs photos: 160 KB at 500×666."""
    return [Photo(f"made-{n}.jpg", _photo(n, size_wh)) for n in range(count)]


def photos_from(folder: Path | None) -> list[Photo]:
    """The images of `folder`, or made ones if none is named."""
    return make_photos() if folder is None else read_photos(folder)


def resized(photo: Photo, long_side: int) -> Photo:
    """The same photo with another size, as JPEG."""
    with Image.open(BytesIO(photo.data)) as image:
        scale = long_side / max(image.size)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        return Photo(f"{long_side}-{photo.name}", _jpeg(image.convert("RGB").resize(size)))


def as_json(photo: Photo, **extra: Any) -> Payload:
    """One image as {"image_base64": …}; `extra` are more keys of the request."""
    text = base64.b64encode(photo.data).decode()
    return Payload(photo.name, orjson.dumps({"image_base64": text, **extra}))


def as_columns(photo: Photo) -> Payload:
    """The same with a list of one: what BentoML's batchable APIs take."""
    text = base64.b64encode(photo.data).decode()
    return Payload(photo.name, orjson.dumps({"image_base64": [text]}))


def as_raw(photo: Photo) -> Payload:
    """The file itself."""
    return Payload(photo.name, photo.data, photo.media_type)


def as_many(photos: Sequence[Photo]) -> Payload:
    """Azure's form, several images in one request."""
    texts = [base64.b64encode(photo.data).decode() for photo in photos]
    body = {"input_data": {"columns": ["image"], "data": texts}}
    return Payload(f"{len(photos)} images", orjson.dumps(body), images=len(photos))


def damaged(photos: Sequence[Photo]) -> list[Payload]:
    """Images that no server can score: cut off, overwritten, empty, and no image at all."""
    first = photos[0]
    noise = np.random.default_rng(0).bytes(len(first.data))
    broken = {
        "half": first.data[: len(first.data) // 2],
        "header only": first.data[:40],
        "noise": noise,
        "text": b"this is not an image",
        "empty": b"",
    }
    bad = [as_json(Photo(f"damaged: {name}", data)) for name, data in broken.items()]
    return [Payload(payload.name, payload.body, good=False) for payload in bad]


def _photo(seed: int, size_wh: tuple[int, int]) -> bytes:
    width, height = size_wh
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize(size_wh), np.int16)
    noisy = smooth + rng.integers(-24, 25, (height, width, 3))
    return _jpeg(Image.fromarray(noisy.clip(0, 255).astype(np.uint8)))


def _jpeg(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()
