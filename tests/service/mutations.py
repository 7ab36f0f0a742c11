"""Requests that are almost right: real ones with bytes, values or headers changed at random."""

import base64
import json
from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

from tests.inference.images import encoded

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
_IMAGES = [encoded(seed, kind=kind, size_wh=(40, 30)) for seed, kind in enumerate(FORMATS)]
_TEXT = base64.b64encode(_IMAGES[0]).decode()
_XAI = {"xai_algorithm": "guided_backprop", "n_steps": 2, "visualizations": False}
_BODIES: list[Any] = [
    {"image_base64": _TEXT},
    {"image_base64": _TEXT, "model_explainability": True, "xai_parameters": _XAI},
    {"image_base64": _TEXT, "settings": {"valid_crop_size": 64}},
    {"input_data": {"columns": ["image"], "index": [0], "data": [_TEXT]}, "params": {}},
    {"input_data": {"columns": ["image"], "data": [[json.dumps({"image_base64": _TEXT})]]}},
]
_ODD = (
    *(
        None,
        True,
        0,
        -1,
        1.5,
        1e308,
        2**63,
        2**70,
        "",
        "\x00",
        "a" * 5000,
        "{",
        "[]",
        "\ud83d\ude00",
    ),
    *([], {}, [[]], [None], {"a": {}}, "nan", "../../etc/passwd", "http://127.0.0.1/", "%s%n"),
)
_HEADERS = (
    *(("Content-Type", value) for value in ("", "text/plain", "application/JSON;x", "image/tiff")),
    *(("Content-Encoding", value) for value in ("gzip", "identity", "x")),
    *(("X-Request-Id", value) for value in ("", "a b", "a" * 300, "\xe4")),
    *(("X-Deadline-Ms", value) for value in ("60000", "0", "-5", "abc", "9" * 40)),
    *(("Authorization", "Bearer \xff"), ("Origin", "null"), ("Range", "bytes=0-1")),
    *(("Accept", "x/y"), ("Expect", "x"), ("Cookie", "a=b"), ("traceparent", "00-x-y-01")),
)


def mutated_request(random: Random) -> dict[str, Any]:
    """Return what httpx's `request` takes."""
    make: Callable[[Random], tuple[bytes, str]] = random.choice((_raw_image, _json_values, _json))
    content, kind = make(random)
    headers = {"Content-Type": kind}
    if random.random() < 0.3:
        name, value = random.choice(_HEADERS)
        headers[name] = value
    path = random.choice(("/score",) * 8 + ("/info", "/score/", "/%00", "/explain"))
    method = random.choice(("POST",) * 8 + ("GET", "PUT", "HEAD", "X"))
    encoded_headers = [(key, value.encode("latin-1")) for key, value in headers.items()]
    return {"method": method, "url": path, "content": content, "headers": encoded_headers}


def mutated_bytes(random: Random, content: bytes) -> bytes:
    """Change, remove, repeat or insert some bytes, one to eight times."""
    changed = bytearray(content)
    for _ in range(random.randint(1, 8)):
        place = random.randrange(len(changed) + 1)
        length = random.choice((1, 1, 2, 4, 16, 200))
        match random.randrange(5):
            case 0:
                changed[place : place + length] = random.randbytes(length)
            case 1:
                del changed[place : place + length]
            case 2:
                changed[place:place] = changed[place : place + length]
            case 3:
                changed[place : place + 4] = random.choice((b"\0\0\0\0", b"\xff\xff\xff\xff"))
            case _ if random.random() < 0.3:
                del changed[place:]
    return bytes(changed)


def _raw_image(random: Random) -> tuple[bytes, str]:
    return mutated_bytes(random, random.choice(_IMAGES)), "image/jpeg"


def _json(random: Random) -> tuple[bytes, str]:
    text = json.dumps(random.choice(_BODIES)).encode()
    return mutated_bytes(random, text), "application/json"


def _json_values(random: Random) -> tuple[bytes, str]:
    """Valid JSON with an odd value, a mutated image or a key too many somewhere."""
    body = json.loads(json.dumps(random.choice(_BODIES)))
    for _ in range(random.randint(1, 2)):
        holder, key = random.choice(list(_places(body)))
        if random.random() < 0.4 and holder[key] == _TEXT:
            image = mutated_bytes(random, random.choice(_IMAGES))
            holder[key] = base64.b64encode(image).decode()
        elif random.random() < 0.2 and isinstance(holder, dict):
            holder[random.choice(("extra", "", "data", "settings"))] = deepcopy(random.choice(_ODD))
        else:
            holder[key] = deepcopy(random.choice(_ODD))
    return json.dumps(body).encode(), "application/json"


def _places(value: Any) -> Any:
    """Yield every container and key of a JSON value."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])
