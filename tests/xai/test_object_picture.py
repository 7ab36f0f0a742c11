"""The picture of one object: map, box and outline over the image."""

from io import BytesIO

import numpy as np
from PIL import Image

from xai.detection.picture import object_png


def test_a_picture_shows_map_and_object_the_same_every_time():
    image, map_ = np.full((40, 60, 3), 90, np.uint8), np.zeros((40, 60), np.float32)
    map_[10:20, 30:40] = 1
    png = object_png(image, map_, box_xyxy=(30, 10, 40, 20), rings=[[5, 30, 15, 30, 10, 38]])
    assert png == object_png(
        image, map_, box_xyxy=(30, 10, 40, 20), rings=[[5, 30, 15, 30, 10, 38]]
    )
    with Image.open(BytesIO(png)) as picture:
        pixels = np.asarray(picture)
    assert pixels.shape == image.shape
    assert pixels[15, 35].min() > 150  # near white
    assert pixels[2, 2, 2] > pixels[2, 2, :2].max()  # bluish
    assert (pixels[30, 5:15] == 255).any()  # the outline


def test_an_even_map_makes_a_picture_too():
    zeros = np.zeros((4, 4), np.float32)
    assert object_png(np.zeros((4, 4, 3), np.uint8), zeros, box_xyxy=(0, 0, 4, 4))
