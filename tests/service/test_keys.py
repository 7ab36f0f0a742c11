from pathlib import Path

import pytest

from inference.errors import UsageError
from serving.keys import VARIABLE, read_keys


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", ()),
        (" , ", ()),
        ("one", ("one",)),
        ("one, two,", ("one", "two")),
    ],
)
def test_keys_come_from_the_environment(
    text: str, keys: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, text)
    assert read_keys(None) == keys


def test_a_file_goes_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "other")
    file = tmp_path / "keys"
    file.write_text("# team a\none\n\n  two  # until June\n")
    assert read_keys(str(file)) == ("one", "two")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "api_keys_file cannot be read: .*No such file"),
        (b"# nothing\n\n", "holds no key"),
        (b"one\ns\xc3\xbcss\n", "key 2 of api_keys_file .* other than visible ASCII"),
        (b"two words\n", "key 1 of"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_a_wrong_file_is_refused_and_shows_no_key(
    content: bytes | None, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "keys"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match=message) as raised:
        read_keys(str(file))
    assert "words" not in str(raised.value)
