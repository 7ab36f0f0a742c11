"""The classes: each shape draws itself in two given colours, a little different every time."""

from collections.abc import Callable, Mapping

import cv2
import numpy as np

from training.data.synthetic.sprite import Array, Sprite, grid, inside, over, paint, unit

Draw = Callable[[np.random.Generator, int, Array, Array], Sprite]  # side, colour (3,), second one


def _ball(rng: np.random.Generator, side: int, color: Array, second: Array) -> Sprite:
    x, y = grid(side)
    radius = 0.86
    nx, ny = x / radius, y / radius
    nz = np.sqrt(np.clip(1 - nx**2 - ny**2, 0.0, 1.0))
    normal = unit(nx, ny, nz + 1e-3)
    turned = normal @ _random_rotation(rng)
    panels = np.sin(np.arctan2(turned[..., 1], turned[..., 0]) * rng.integers(2, 5))
    albedo = paint(color, second, inside(panels * 0.1))
    return Sprite(albedo, normal, inside(radius - np.hypot(x, y)), gloss=rng.uniform(0.2, 0.7))


def _bottle(rng: np.random.Generator, side: int, color: Array, second: Array) -> Sprite:
    x, y = grid(side)
    body, neck = rng.uniform(0.27, 0.36), rng.uniform(0.09, 0.13)
    shoulder, slope = rng.uniform(-0.4, -0.15), rng.uniform(0.05, 0.14)
    width = neck + (body - neck) / (1 + np.exp(-(y - shoulder) / slope))
    width *= np.sqrt(np.clip((0.94 - y) / 0.1, 0.0, 1.0))
    cap = (y < -0.76).astype(np.float32)
    width = width + 0.025 * cap
    normal = _revolved(x, width)
    label = inside(np.minimum(y - rng.uniform(0.05, 0.2), rng.uniform(0.5, 0.7) - y))
    albedo = paint(color, second, np.maximum(label, cap))
    alpha = inside(np.minimum(width - np.abs(x), 0.93 + y))
    return Sprite(albedo, normal, alpha, gloss=rng.uniform(0.5, 1.0))


def _mug(rng: np.random.Generator, side: int, color: Array, second: Array) -> Sprite:
    x, y = grid(side)
    x = x + 0.16
    radius, tilt = rng.uniform(0.5, 0.6), rng.uniform(0.1, 0.2)
    top, bottom = -rng.uniform(0.5, 0.66), rng.uniform(0.55, 0.68)
    width = radius * (1 - rng.uniform(0.0, 0.12) * (y - top) / (bottom - top))
    arc = tilt * radius * np.sqrt(np.clip(1 - (x / radius) ** 2, 0.0, 1.0))
    wall = inside(np.minimum(width - np.abs(x), np.minimum(y - top, bottom + arc - y)))
    stripe = inside(0.09 - np.abs(y - arc - rng.uniform(-0.1, 0.35)))
    albedo = paint(color, second, stripe * rng.choice([0.0, 1.0]))
    body = Sprite(albedo, _revolved(x, width), wall, gloss=rng.uniform(0.3, 0.8))
    handle = _ring(x - radius * 0.95, y - 0.04, size=rng.uniform(0.26, 0.33), color=color)
    return over(
        _opening(x / radius, (y - top) / (tilt * radius), radius, color), over(body, handle)
    )


def _ring(x: Array, y: Array, *, size: float, color: Array) -> Sprite:
    """A mug's handle: half a torus."""
    thickness = 0.085
    distance = np.hypot(x, y * 0.85)
    across = np.clip((distance - size) / thickness, -1.0, 1.0)
    nz = np.sqrt(1 - across**2) + 0.05
    normal = unit(across * x / (distance + 1e-6), across * y / (distance + 1e-6), nz)
    albedo = color
    return Sprite(albedo, normal, inside(thickness - np.abs(distance - size)), gloss=0.4)


def _opening(x: Array, y: Array, radius: float, color: Array) -> Sprite:
    """A mug's mouth, seen from above: a bright rim around a dark inside; x, y in its radii."""
    distance = 1 - np.hypot(x, y)
    hollow = inside((distance - 0.1) * radius * 0.5)
    albedo = paint(color, color * 0.35, hollow)
    normal = unit(-0.5 * x * hollow, -0.6 + 0.3 * y, np.ones_like(x))
    return Sprite(albedo, normal, inside(distance * radius * 0.3), gloss=0.2)


def _leaf(rng: np.random.Generator, side: int, color: Array, second: Array) -> Sprite:
    x, y = grid(side)
    bend = rng.uniform(-0.18, 0.18)
    x = x - bend * (1 - y**2)
    along = np.clip((0.72 - y) / 1.62, 0.0, 1.0)  # 0 at the base, 1 at the tip
    width = rng.uniform(0.5, 0.64) * np.sin(np.pi * along ** rng.uniform(0.62, 0.8))
    teeth = rng.choice([0.0, 0.03]) * np.abs(np.sin(along * 40))
    blade = inside(np.minimum(width - teeth - np.abs(x), np.minimum(along, 1 - along) * 2 - 0.01))
    stem = inside(np.minimum(0.035 - np.abs(x), np.minimum(y - 0.6, 0.95 - y)))
    spacing = rng.uniform(5.0, 7.5)
    side_veins = np.abs(((along - np.abs(x) * 0.45) * spacing) % 1.0 - 0.5) / spacing
    veins = np.maximum(inside(0.022 - np.abs(x)), 0.75 * inside(0.012 - side_veins))
    albedo = paint(color, _vein_color(color, second), veins)
    normal = unit(np.sign(x) * 0.45 - x * 0.7, 0.15 * np.sin(along * spacing * 6), np.ones_like(x))
    return Sprite(albedo, normal, np.maximum(blade, stem), gloss=rng.uniform(0.1, 0.4))


def _box(rng: np.random.Generator, side: int, color: Array, second: Array) -> Sprite:
    yaw, pitch = rng.uniform(0.4, 1.15), rng.uniform(0.45, 0.75)
    half = rng.uniform([0.42, 0.32, 0.42], [0.56, 0.52, 0.56])  # x, y (height), z
    view = _view(yaw, pitch)
    albedo, normal, alpha = (np.zeros((side, side, n), np.float32) for n in (3, 3, 1))
    for axis in np.eye(3):
        toward = axis * np.sign((view @ axis)[2])
        others = [e * h for e, h in zip(np.eye(3), half, strict=True) if e @ axis == 0]
        center = toward * half
        face = _fill([center + a * others[0] + b * others[1] for a, b in _CORNERS], view, side)
        tape = _fill(
            [center + 0.16 * a * others[0] + b * others[1] for a, b in _CORNERS], view, side
        )
        albedo = paint(paint(albedo, color, face), second, tape)
        normal = paint(normal, (view @ toward).astype(np.float32), face)
        alpha = np.maximum(alpha, face[..., None])
    return Sprite(albedo, normal, alpha[..., 0], gloss=0.1)


_CORNERS = ((-1, -1), (1, -1), (1, 1), (-1, 1))


def _view(yaw: float, pitch: float) -> Array:
    """Rotation from a box's own axes (y up) to the canvas (y down, z to the viewer)."""
    around = np.array([[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]])
    over_it = [[1, 0, 0], [0, -np.cos(pitch), np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    return (np.array(over_it) @ around).astype(np.float32)


def _fill(corners: list[Array], view: Array, side: int) -> Array:
    """Coverage (side, side) of a flat polygon given by corners in a box's own axes."""
    points = np.array([(view @ corner)[:2] for corner in corners])
    pixels = np.round(((points + 1) * side / 2 - 0.5) * 16).astype(np.int32)
    canvas = np.zeros((side, side), np.uint8)
    cv2.fillConvexPoly(canvas, pixels, 255, lineType=cv2.LINE_AA, shift=4)
    return canvas.astype(np.float32) / 255


def _revolved(x: Array, width: Array) -> Array:
    """Normals of a body turned around a vertical axis, half as wide as `width` (S, S)."""
    nx = np.clip(x / width.clip(1e-3), -1.0, 1.0)
    slope = np.gradient(width, 2.0 / len(width), axis=0)
    return unit(nx, -0.6 * np.clip(slope, -1.5, 1.5), np.sqrt(1 - nx**2) + 0.05)


def _vein_color(color: Array, second: Array) -> Array:
    return np.clip(0.6 * color + 0.25 * second + 0.15, 0.0, 1.0).astype(np.float32)


def _random_rotation(rng: np.random.Generator) -> Array:
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return q.astype(np.float32)


SHAPES: Mapping[str, Draw] = {
    "ball": _ball,
    "bottle": _bottle,
    "box": _box,
    "leaf": _leaf,
    "mug": _mug,
}
LABELS = tuple(SHAPES)
