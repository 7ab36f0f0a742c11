"""Light on a sprite, and what a camera does to a picture."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.data.synthetic.sprite import Array, Sprite, blurred


@dataclass(frozen=True, slots=True, eq=False)
class Light:
    """direction (3,): a unit vector from the scene to the lamp, z towards the viewer.

    ambient in [0, 1] is the light that comes from everywhere.
    """

    direction: Array
    ambient: float


def random_light(rng: np.random.Generator) -> Light:
    """A lamp that stands anywhere around, 35 to 65 degrees above the surface."""
    azimuth, height = rng.uniform(0, 2 * np.pi), rng.uniform(0.6, 1.15)
    flat = np.cos(height)
    direction = [flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(height)]
    return Light(np.asarray(direction, np.float32), ambient=rng.uniform(0.3, 0.5))


def shade(sprite: Sprite, light: Light, turn: Array) -> Array:
    """Colours (S, S, 3) of a sprite that `turn` (2, 2) will place: Blinn-Phong reflection.

    The lamp is turned back into the sprite's frame instead of every normal into the scene's.
    """
    lamp = np.append(turn.T @ light.direction[:2], light.direction[2]).astype(np.float32)
    half = lamp + np.array([0, 0, 1], np.float32)
    half /= np.linalg.norm(half)
    diffuse = np.clip(sprite.normal @ lamp, 0.0, 1.0)
    highlight = np.clip(sprite.normal @ half, 0.0, 1.0) ** 40 * sprite.gloss * 0.6
    return sprite.albedo * (light.ambient + 0.75 * diffuse)[..., None] + highlight[..., None]


def photograph(scene: Array, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Take a picture of a scene (H, W, 3): uneven light, vignette, white balance, focus, noise."""
    height, width = scene.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    slope = rng.uniform(0.0, 0.25) * (np.cos(angle) * x + np.sin(angle) * y)
    vignette = 1 - rng.uniform(0.0, 0.22) * (x**2 + y**2) / 2
    balance = rng.uniform(0.92, 1.08, size=3) * rng.uniform(0.92, 1.2)
    picture = scene * ((1 + slope) * vignette)[..., None] * balance
    picture = blurred(picture.astype(np.float32), sigma=rng.uniform(0.2, 0.9))
    picture += rng.normal(0, rng.uniform(0.004, 0.022), size=scene.shape)
    return (np.clip(picture, 0.0, 1.0) * 255 + 0.5).astype(np.uint8)
