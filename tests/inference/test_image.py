"""Decoding: what Pillow says of the same file, whatever decodes it."""

from io import BytesIO

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from inference.errors import BadImage, TooLarge, UnsupportedImage
from inference.image import decode_image

ORIENTATIONS = range(1, 9)


def encoded(mode: str, kind: str, *, orientation: int = 1) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    buffer = BytesIO()
    Image.fromarray(noise).convert(mode).save(buffer, kind, exif=exif)
    return buffer.getvalue()


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("RGB", "JPEG"),
        ("L", "JPEG"),
        ("CMYK", "JPEG"),
        ("RGB", "PNG"),
        ("P", "PNG"),
        ("RGBA", "PNG"),
        ("RGB", "TIFF"),
        ("RGB", "WEBP"),
    ],
)
def test_pixels_are_those_of_pillow_turned_upright(mode: str, kind: str, orientation: int) -> None:
    data = encoded(mode, kind, orientation=orientation)
    with Image.open(BytesIO(data)) as image:
        image.load()
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    pixels = decode_image(data)
    assert pixels.flags.c_contiguous
    np.testing.assert_array_equal(pixels, expected)


def test_progressive_and_subsampled_jpegs_give_pillows_pixels() -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (33, 47, 3), np.uint8))
    for subsampling in (0, 1, 2):
        buffer = BytesIO()
        noise.save(buffer, "JPEG", progressive=True, subsampling=subsampling)
        expected = np.asarray(Image.open(buffer).convert("RGB"))
        np.testing.assert_array_equal(decode_image(buffer.getvalue()), expected)


def test_sixteen_bits_keep_their_high_byte() -> None:
    values = np.array([[0, 255, 256, 65535]], np.uint16)
    buffer = BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    assert decode_image(buffer.getvalue())[0, :, 0].tolist() == [0, 0, 1, 255]


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (b"", BadImage, "empty"),
        (b"no image", BadImage, "not an image"),
        (encoded("RGB", "JPEG")[:-200], BadImage, "is the file complete"),
        (encoded("RGB", "PNG")[:-200], BadImage, "is the file complete"),
        (encoded("RGB", "GIF"), UnsupportedImage, "GIF"),
    ],
)
def test_what_is_no_whole_image_is_refused(data: bytes, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        decode_image(data)


def test_pixels_are_counted_before_decoding() -> None:
    with pytest.raises(TooLarge, match="40×24 = 960 pixels, at most 959"):
        decode_image(encoded("RGB", "JPEG"), max_pixels=959)


def test_a_lack_of_memory_is_not_blamed_on_the_image() -> None:
    def refuse(count: int) -> None:
        assert count == 3 * 24 * 40
        raise MemoryError

    with pytest.raises(MemoryError):
        decode_image(encoded("RGB", "PNG"), reserve=refuse)
