"""Ask a Sightline server from Python: one file, standard library only, made to be copied.

    with Client("http://127.0.0.1:3000") as client:
        print(labels(client.score("photo.jpg")))

An image is a path, bytes, base64 text or a Pillow image. Results are the dicts that the server
sent. Python >= 3.9; `draw` and Pillow's images need Pillow, attributions as `npy_…` need NumPy.
From a terminal: `python client.py URL IMAGE… --draw FOLDER`. All that can go wrong:

ClientError
├── Unreadable    an image file that cannot be read
├── ServerSaid    the server refused: status, code, message
├── Unreachable   no connection, or one that broke, after all retries
└── TimedOut      `timeout` seconds have passed
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import random
import re
import sys
import time
import zlib
from collections import deque
from collections.abc import AsyncIterator, Generator, Iterable, Mapping
from colorsys import hsv_to_rgb
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

Result = dict[str, Any]
if TYPE_CHECKING:
    from PIL.Image import Image as Picture

    Image = str | os.PathLike[str] | bytes | Picture
    Explain = bool | str | Mapping[str, Any]  # yes, the method's name, or all xai_parameters
    Settings = Mapping[str, Any]

_RETRIED = frozenset({429, 502, 503})
_OF_ALL_IMAGES = frozenset({401, 403, 404, 405})  # the next image would get the same answer
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 10.0
_MAX_DEADLINE_MS = 86_400_000
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]{64,}={0,2}\s*")
_SIGNATURES = {b"\x89PNG": "png", b"RIFF": "webp", b"BM": "bmp", b"II*": "tiff", b"MM\0*": "tiff"}


class ClientError(Exception):
    """Whatever goes wrong here."""


class Unreadable(ClientError):
    """An image file that cannot be read."""


class Unreachable(ClientError):
    """There is no connection, or it broke each time."""


class TimedOut(ClientError):
    """The time that the call had is over."""


class ServerSaid(ClientError):
    """An answer other than 200. `code` is one of docs/serving.md, "" if a proxy answered."""

    def __init__(self, status: int, code: str, message: str, *, request_id: str = "") -> None:
        where = f" (request {request_id})" if request_id else ""
        super().__init__(f"{status} {code or 'without a code'}: {message}{where}")
        self.status, self.code, self.message, self.request_id = status, code, message, request_id


class Client:
    """A server at `url`; threads may share it, and its connections stay open between calls.

    `timeout` is the seconds that one image may take, retries included; the server knows them too,
    and drops what nobody waits for. A connection that fails and the answers 429, 502 and 503 are
    tried again up to `retries` times, after Retry-After or a time that doubles.
    """

    def __init__(
        self, url: str, key: str | None = None, *, timeout: float = 60.0, retries: int = 4
    ) -> None:
        parts = urlsplit(url if "//" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"url must be like http://127.0.0.1:3000, got {url!r}")
        self.url, self.timeout, self.retries = url, timeout, retries
        self._prefix = parts.path.rstrip("/")
        self._kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._address = parts.hostname, parts.port
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._idle: deque[HTTPConnection] = deque()
        self._keeps = True

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; a later call opens one for itself."""
        self._keeps = False
        while self._idle:
            self._idle.pop().close()

    def score(
        self, image: Image, *, settings: Settings | None = None, explain: Explain = False
    ) -> Result:
        """Return what the server says about one image. Raises ClientError."""
        kind, body = _request(image, settings, explain)
        result: Result = self._ask("POST", "/score", body, {"Content-Type": kind})[0]
        return result

    def score_many(
        self,
        images: Iterable[Image],
        *,
        concurrency: int = 8,
        settings: Settings | None = None,
        explain: Explain = False,
    ) -> Generator[Result | ClientError, None, None]:
        """Yield a result per image, in order, as soon as it is there; images are read as needed.

        An image that fails has its error as its result. What would meet the others as well is
        raised: Unreachable, a wrong key, a wrong address.
        """

        def one(image: Image) -> Result | ClientError:
            try:
                return self.score(image, settings=settings, explain=explain)
            except ClientError as error:
                if isinstance(error, Unreachable) or getattr(error, "status", 0) in _OF_ALL_IMAGES:
                    raise
                return error

        pool = ThreadPoolExecutor(concurrency)
        pending: deque[Future[Result | ClientError]] = deque()
        try:
            for image in images:
                pending.append(pool.submit(one, image))
                while pending and (pending[0].done() or len(pending) >= 2 * concurrency):
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def info(self) -> Result:
        """Return model, task, labels, settings and limits of the server."""
        answer: Result = self._ask("GET", "/info")
        return answer

    def wait_until_ready(self, timeout: float = 120.0) -> None:
        """Return when the server's model is loaded and warm. Raises TimedOut."""
        end = time.monotonic() + timeout
        reason = "nothing was heard"
        while time.monotonic() < end:
            try:
                status, _, _ = self._exchange("GET", "/readyz", b"", {}, end)
                if status == 200:
                    return
                reason = f"/readyz said {status}"
            except (OSError, HTTPException) as error:
                reason = str(error)
            time.sleep(0.1)
        raise TimedOut(f"{self.url} was not ready within {timeout:g} s: {reason}")

    def _ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Any:
        end, tried = time.monotonic() + self.timeout, 0
        while True:
            error: ClientError
            try:
                status, fields, answer = self._exchange(method, path, body, headers or {}, end)
            except (OSError, HTTPException) as broken:
                _left(end)
                error, least_s = Unreachable(f"{self.url} cannot be reached: {broken!r}"), 0.0
            else:
                if status == 200 and (parsed := _json(answer)) is not None:
                    return parsed
                error = _refusal(status, answer, request_id=fields.get("X-Request-Id", ""))
                least_s = _retry_after_s(fields.get("Retry-After", ""))
                if status not in _RETRIED:
                    raise error
            wait_s = least_s + _backoff_s(tried)
            if tried == self.retries or time.monotonic() + wait_s >= end:
                raise error
            time.sleep(wait_s)
            tried += 1

    def _exchange(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], end: float
    ) -> tuple[int, Any, bytes]:
        """One request and its answer; a kept connection that the server closed is replaced."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._kind(*self._address)
        is_new = connection.sock is None
        try:
            response, answer = self._send(connection, method, path, body, headers, end)
        except BaseException as error:
            connection.close()
            if is_new or not isinstance(error, ConnectionError):
                raise
            return self._exchange(method, path, body, headers, end)
        if self._keeps:
            self._idle.append(connection)
        else:
            connection.close()
        return response.status, response.headers, answer

    def _send(
        self,
        connection: HTTPConnection,
        method: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        end: float,
    ) -> tuple[HTTPResponse, bytes]:
        connection.timeout = _left(end)
        if connection.sock is None:
            connection.connect()
        left_s = _left(end)
        connection.sock.settimeout(left_s)
        server_s = left_s - min(1.0, 0.1 * left_s)  # its answer needs time to come back
        deadline = str(max(1, min(_MAX_DEADLINE_MS, int(1000 * server_s))))
        with suppress(BrokenPipeError):  # refused before the end of the body: the answer says why
            connection.request(
                method,
                self._prefix + path,
                body or None,
                {**self._headers, **headers, "X-Deadline-Ms": deadline},
            )
        response = connection.getresponse()
        return response, response.read()


class AsyncClient:
    """The same for asyncio; each call runs in a thread, which a cancelled call leaves behind."""

    def __init__(self, url: str, key: str | None = None, **options: Any) -> None:
        self._client = Client(url, key, **options)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._client.close()

    async def score(self, image: Image, **options: Any) -> Result:
        """As Client.score."""
        return await asyncio.to_thread(self._client.score, image, **options)

    async def score_many(
        self, images: Iterable[Image], **options: Any
    ) -> AsyncIterator[Result | ClientError]:
        """As Client.score_many."""
        results = self._client.score_many(images, **options)
        loop, thread = asyncio.get_running_loop(), ThreadPoolExecutor(1)
        try:
            while (result := await loop.run_in_executor(thread, next, results, None)) is not None:
                yield result
        finally:
            thread.submit(results.close)  # after the step that a cancelled task left behind
            thread.shutdown(wait=False)

    async def info(self) -> Result:
        """As Client.info."""
        return await asyncio.to_thread(self._client.info)

    async def wait_until_ready(self, timeout: float = 120.0) -> None:
        """As Client.wait_until_ready."""
        await asyncio.to_thread(self._client.wait_until_ready, timeout)


def labels(result: Result) -> list[tuple[str, float]]:
    """Return what was found and how sure the model is, the surest first."""
    if "boxes" in result:
        return [(box["label"], box["score"]) for box in result["boxes"]]
    ranked = sorted(range(len(result["probs"])), key=result["probs"].__getitem__, reverse=True)
    return [(result["labels"][place], result["probs"][place]) for place in ranked]


def pictures(result: Result) -> list[bytes | None]:
    """Return the explanations as PNG files: one, or one per class or box, None if it has none."""
    found = result.get("visualizations", [])
    found = [found] if isinstance(found, str) else found
    return [None if text is None else base64.b64decode(text) for text in found]


def attributions(result: Result) -> Any:
    """Return the numbers of the explanations as sent, `npy_…` encodings as NumPy arrays."""
    found = result.get("attributions", [])
    if isinstance(found, str):
        return _array(found)
    return [_array(one) if isinstance(one, str) else one for one in found]


def draw(image: Image, result: Result, *, most: int = 3) -> Picture:
    """Return the picture with its boxes and outlines, or its `most` probable classes, on it."""
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFont, ImageOps

    picture = ImageOps.exif_transpose(Pillow.open(BytesIO(_encoded(image)))).convert("RGB")
    pen, side = ImageDraw.Draw(picture, "RGBA"), (picture.width * picture.height) ** 0.5
    font, line = ImageFont.load_default(max(10, round(0.03 * side))), max(1, round(0.004 * side))

    def caption(text: str, x: float, y: float, color: str) -> float:
        left, top, right, bottom = pen.textbbox((x, y), text, font)
        pen.rectangle((left - line, top - line, right + line, bottom + line), fill=color)
        pen.text((x, y), text, "white", font)
        return bottom + 3 * line

    y = 2.0 * line
    for label, score in [] if "boxes" in result else labels(result)[:most]:
        y = caption(f"{label} {score:.2f}", 2 * line, y, _color(label))
    for found in reversed(result.get("boxes", [])):  # the surest on top
        box, color = found["box"], _color(found["label"])
        for ring in found.get("polygon", []):
            corners = _in_pixels(ring, picture.size)
            pen.polygon(corners, fill=color + "60", outline=color, width=line)
        edges = [box[name] for name in ("topX", "topY", "bottomX", "bottomY")]
        corners = _in_pixels(edges, picture.size)
        pen.rectangle(corners, outline=color, width=line)
        x, y = corners[0]
        caption(f"{found['label']} {found['score']:.2f}", x + line, y + line, color)
    return picture


def _encoded(image: Image) -> bytes:
    """Return the bytes of an image file; Pillow's images become PNG, without loss."""
    if isinstance(image, bytes):
        return image
    if isinstance(image, str) and _BASE64.fullmatch(image) and not _is_there(image):
        return base64.b64decode(image)
    if isinstance(image, (str, os.PathLike)):
        try:
            return Path(image).read_bytes()
        except OSError as error:
            raise Unreadable(f"{os.fspath(image)} cannot be read: {error.strerror}") from None
    if not hasattr(image, "getexif"):
        kind = type(image).__name__
        raise TypeError(f"an image is a path, bytes, base64 or Pillow's image, got {kind}")
    buffer = BytesIO()
    plain = image if image.mode in ("L", "RGB", "RGBA", "P") else image.convert("RGB")
    plain.save(buffer, "PNG", exif=image.getexif(), compress_level=1)
    return buffer.getvalue()


def _is_there(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:  # longer than any path may be
        return False


def _request(image: Image, settings: Settings | None, explain: Explain) -> tuple[str, bytes]:
    """Media type and body: the file itself if nothing else is asked, which is the cheapest."""
    data = _encoded(image)
    if not settings and explain is False:
        kinds = [kind for start, kind in _SIGNATURES.items() if data.startswith(start)]
        return f"image/{kinds[0] if kinds else 'jpeg'}", data
    body: dict[str, Any] = {"image_base64": base64.b64encode(data).decode()}
    if settings:
        body["settings"] = dict(settings)
    if explain is not False:
        body["model_explainability"] = True
    if isinstance(explain, str):
        body["xai_parameters"] = {"xai_algorithm": explain}
    elif isinstance(explain, Mapping):
        body["xai_parameters"] = dict(explain)
    return "application/json", json.dumps(body).encode()


def _backoff_s(tried: int) -> float:
    """Twice as long each time, and by chance: clients that were refused together come apart."""
    return random.uniform(0.5, 1.0) * min(_FIRST_WAIT_S * 2**tried, _LONGEST_WAIT_S)


def _left(end: float) -> float:
    """Seconds until `end`. Raises TimedOut when there are none."""
    left_s = end - time.monotonic()
    if left_s <= 0:
        raise TimedOut("the time of the call is over")
    return left_s


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _refusal(status: int, answer: bytes, *, request_id: str) -> ClientError:
    parsed = _json(answer)
    said = parsed.get("error") if isinstance(parsed, dict) else None
    if not isinstance(said, dict):
        said = {"message": answer[:200].decode(errors="replace")}
    code, message = str(said.get("code", "")), str(said.get("message", ""))
    if code == "deadline_exceeded":
        return TimedOut(message)
    return ServerSaid(status, code, message, request_id=request_id)


def _retry_after_s(text: str) -> float:
    """Read Retry-After, which is seconds or a date; 0 without it."""
    with suppress(ValueError):
        return max(0.0, float(text))
    with suppress(ValueError, TypeError):
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    return 0.0


def _array(text: str) -> Any:
    import numpy as np

    return np.load(BytesIO(base64.b64decode(text)))


def _in_pixels(ratios: list[float], size_wh: tuple[int, int]) -> list[tuple[float, float]]:
    """[x1, y1, x2, y2, …] in 0…1 as points in pixels."""
    width, height = size_wh
    places = range(0, len(ratios), 2)
    return [(ratios[at] * width, ratios[at + 1] * height) for at in places]


def _color(label: str) -> str:
    red, green, blue = hsv_to_rgb(zlib.crc32(label.encode()) % 360 / 360, 0.85, 0.7)
    return f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"


def command_line() -> argparse.ArgumentParser:
    """What `python client.py` understands."""
    parser = argparse.ArgumentParser("client.py", description="Score images on a server.")
    parser.add_argument("url", metavar="URL", help="such as http://127.0.0.1:3000")
    parser.add_argument("images", metavar="IMAGE", nargs="+")
    parser.add_argument(
        "--key", default=os.environ.get("SIGHTLINE_API_KEY"), help="or SIGHTLINE_API_KEY"
    )
    parser.add_argument("--explain", metavar="METHOD", help="such as xrai or guided_gradcam")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds for each image")
    parser.add_argument("--draw", type=Path, metavar="FOLDER", help="save pictures of the answers")
    return parser


def main() -> int:
    """Score the images that the command line names, a line of JSON for each."""
    options = command_line().parse_args()
    failed = 0
    try:
        with Client(options.url, options.key, timeout=options.timeout) as client:
            results = client.score_many(options.images, explain=options.explain or False)
            for place, result in enumerate(results):
                path = options.images[place]
                if isinstance(result, ClientError):
                    failed += 1
                    result = {"error": str(result)}
                elif options.draw:
                    _save(options.draw, f"{place:03}-{Path(path).stem}", path, result)
                sys.stdout.write(json.dumps({"image": path, **result}) + "\n")
    except (ClientError, ValueError, ImportError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 1 if failed else 0


def _save(folder: Path, name: str, image: str, result: Result) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    draw(image, result).save(folder / f"{name}.png")
    for place, picture in enumerate(pictures(result)):
        if picture:
            (folder / f"{name}-why-{place}.png").write_bytes(picture)


if __name__ == "__main__":
    sys.exit(main())
