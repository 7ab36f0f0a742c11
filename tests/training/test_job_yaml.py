import pytest

from inference.errors import UsageError
from training.job_yaml import read_yaml, without_nulls


def read(tmp_path, content):
    path = tmp_path / "job.yml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_yaml(path)


def test_a_byte_order_mark_and_windows_lines_do_not_matter(tmp_path):
    assert read(tmp_path, b"\xef\xbb\xbftask: a\r\nname: b\r\n") == {"task": "a", "name": "b"}


def test_what_looks_like_a_date_is_text(tmp_path):
    assert read(tmp_path, "name: 2024-13-45\n") == {"name": "2024-13-45"}


def test_merged_keys_may_be_replaced(tmp_path):
    text = "base: &base {path: a}\nother:\n  <<: *base\n  path: b\n"
    assert read(tmp_path, text)["other"] == {"path": "b"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "must hold a mapping of keys, got nothing"),
        ("a: 1\nb: [1, 2\n", r"job\.yml:3: not valid YAML"),
        ("a: 1\n\tb: 2\n", r"job\.yml:2: not valid YAML"),
        ("a: 1\nb: 2\na: 3\n", r"job\.yml:3: .*key 'a' is there twice"),
        ("a: {b: 1, b: 2}\n", r"job\.yml:1: .*key 'b' is there twice"),
        ("a: !!python/object:os.system {}\n", r"job\.yml:1: not valid YAML: could not determine"),
        (b"a: \x00\n", "not valid YAML"),
        (b"a: \xff\xfe\n", "is not UTF-8 text"),
    ],
)
def test_bad_yaml_names_file_line_and_reason(tmp_path, content, message):
    with pytest.raises(UsageError, match=message):
        read(tmp_path, content)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"cannot read .*gone\.yml: No such file"):
        read_yaml(tmp_path / "gone.yml")


def test_empty_keys_are_not_given():
    assert without_nulls({"a": None, "b": {"c": None, "d": 0}}) == {"b": {"d": 0}}
