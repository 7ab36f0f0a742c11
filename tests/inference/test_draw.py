from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inference.draw import draw_detections, label_color
from inference.types import Detections

PHOTO = Path(__file__).parents[3] / "shared/data/fridge/images/1.jpg"
LABELS = ("cup", "bowl", "a label so long that no caption has room for all of it " * 3, "Köln")


def found(*boxes, label_ids=None, masks=None):
    count = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.linspace(0.9, 0.3, count).astype(np.float32),
        np.array(range(count) if label_ids is None else label_ids, np.int64),
        masks,
    )


def grey(height=200, width=300):
    return np.full((height, width, 3), 128, np.uint8)


def pixels_of_color(picture, label_id):
    return (picture == label_color(label_id)).all(axis=2)


def test_without_detections_the_picture_stays_as_it_is():
    drawn = draw_detections(grey(), found(), LABELS)
    assert (drawn == grey()).all()
    assert drawn.dtype == np.uint8


def test_a_box_and_its_caption_have_the_labels_colour():
    drawn = draw_detections(grey(), found((50, 60, 150, 160)), LABELS)
    colored = pixels_of_color(drawn, 0)
    assert colored[60:160, 50].all()
    assert colored[60:160, 149].all()
    assert colored[159, 50:150].all()
    assert not colored[80:140, 70:130].any()
    assert colored[45:60, 50:90].mean() > 0.5  # the caption above


def test_the_image_given_is_not_changed():
    image = grey()
    draw_detections(image, found((50, 60, 150, 160), masks=np.ones((1, 8, 8), np.float32)), LABELS)
    assert (image == grey()).all()


def test_a_picture_that_cannot_be_written_to_is_drawn_all_the_same():
    image = grey()
    image.flags.writeable = False
    assert (draw_detections(image, found((50, 60, 150, 160)), LABELS) != image).any()


def test_masks_are_seen_through():
    image = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    masks = np.ones((1, 8, 8), np.float32)
    inside = draw_detections(image, found((50, 60, 150, 160), masks=masks), LABELS)[70:150, 60:140]
    mixed = 0.55 * image[70:150, 60:140] + 0.45 * np.array(label_color(0))
    assert np.abs(inside - mixed).max() <= 2


def test_the_threshold_decides_what_a_mask_covers():
    masks = np.full((1, 8, 8), 0.6, np.float32)
    objects = found((50, 60, 150, 160), masks=masks)
    plain = draw_detections(grey(), found((50, 60, 150, 160)), LABELS)
    assert (draw_detections(grey(), objects, LABELS, mask_threshold=0.7) == plain).all()
    assert (draw_detections(grey(), objects, LABELS, mask_threshold=0.5) != plain).any()


def test_the_higher_score_lies_on_top():
    same = (50, 60, 150, 160)
    colored = pixels_of_color(draw_detections(grey(), found(same, same), LABELS), 0)
    assert colored[90:160, 50].all()


@pytest.mark.parametrize("size_hw", [(1, 1), (5, 9), (16, 16), (48, 48), (1, 900), (900, 1)])
def test_any_size_of_picture_can_be_drawn_on(size_hw):
    height, width = size_hw
    whole, beyond = (0, 0, width, height), (-50, -50, width + 50, height + 50)
    nowhere, empty = (width + 5, height + 5, width + 9, height + 9), (0.4, 0.4, 0.4, 0.4)
    objects = found(whole, beyond, nowhere, empty, masks=np.ones((4, 8, 8), np.float32))
    assert draw_detections(grey(*size_hw), objects, LABELS).shape == (*size_hw, 3)


def ink(picture, label_id):
    """How many pixels are neither the grey picture nor a line or a caption's ground."""
    return (~pixels_of_color(picture, label_id) & (picture != 128).any(axis=2)).sum()


@pytest.mark.parametrize(
    "box",
    [(0, 0, 60, 60), (240, 0, 300, 60), (240, 140, 300, 200), (0, 0, 300, 200), (290, 90, 300, 99)],
)
@pytest.mark.parametrize("label_id", range(4))
def test_captions_stay_whole_at_the_border_of_the_picture(box, label_id):
    at_border = draw_detections(grey(), found(box, label_ids=[label_id]), LABELS)
    amid = draw_detections(grey(), found((90, 90, 150, 150), label_ids=[label_id]), LABELS)
    assert ink(at_border, label_id) == ink(amid, label_id) > 20


def test_captions_of_neighbours_do_not_hide_each_other():
    same = (50, 60, 150, 160)
    drawn = draw_detections(grey(), found(same, same, same, label_ids=[0, 1, 3]), LABELS)
    areas = [pixels_of_color(drawn, label_id).sum() for label_id in (0, 1, 3)]
    assert min(areas) > 300


def test_colours_of_labels_differ():
    colors = np.array([label_color(label_id) for label_id in range(20)], float)
    distances = np.abs(colors[:, None] - colors).sum(axis=2) + 999 * np.eye(20)
    assert distances.min() > 60
    assert len({label_color(label_id) for label_id in range(200)}) == 200


@pytest.mark.skipif(not PHOTO.is_file(), reason="needs ../shared/data/fridge")
def test_a_photo_is_drawn_the_same_way_every_time():
    photo = np.asarray(Image.open(PHOTO).convert("RGB"))
    masks = np.random.default_rng(0).random((2, 28, 28)).astype(np.float32)
    objects = found((100, 150, 250, 500), (200, 300, 400, 600), masks=masks)
    once, again = (draw_detections(photo, objects, LABELS) for _ in range(2))
    assert (once == again).all()
    assert (once != photo).any()
