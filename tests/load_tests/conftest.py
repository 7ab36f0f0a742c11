import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from load_tests.__main__ import main
from load_tests.payloads import make_photos

Run = Callable[..., tuple[int, str, dict[str, Any]]]


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Run]:
    """Run a command on two small photos: exit code, what it said on stderr, results.json."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    images = tmp_path / "images"
    images.mkdir()
    for photo in make_photos(2, size_wh=(64, 48)):
        (images / photo.name).write_bytes(photo.data)

    def command(*arguments: str) -> tuple[int, str, dict[str, Any]]:
        if "--images" not in arguments:
            arguments += ("--images", str(images))
        monkeypatch.setattr("sys.argv", ["load_tests", *arguments, "--out", str(tmp_path / "out")])
        with pytest.raises(SystemExit) as ended:
            main()
        results = tmp_path / "out" / "results.json"
        facts = orjson.loads(results.read_bytes()) if results.exists() else {}
        return int(ended.value.code or 0), capsys.readouterr().err, facts

    yield command
    for number, handler in before.items():
        signal.signal(number, handler)
