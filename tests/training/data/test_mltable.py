import pytest

from inference.errors import UsageError
from training.data.mltable import open_table

READ = "transformations:\n  - read_json_lines:\n"


def table(tmp_path, text, files=("a.jsonl",)):
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "MLTable").write_text(text)
    return open_table(tmp_path, datastores={"store": str(tmp_path)})


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ("- file: ./a.jsonl", ["a.jsonl"]),
        ("- file: b.jsonl\n- file: a.jsonl", ["b.jsonl", "a.jsonl"]),  # in the order given
        ("- pattern: ./*.jsonl", ["a.jsonl", "b.jsonl"]),
        ("- pattern: '**/c*.jsonl'", ["deep/c.jsonl"]),
        ("- folder: ./deep", ["deep/c.jsonl"]),
        ("- file: azureml://datastores/store/paths/b.jsonl", ["b.jsonl"]),
    ],
)
def test_every_kind_of_path(tmp_path, paths, expected):
    files = ["a.jsonl", "b.jsonl", "deep/c.jsonl"]
    found = table(tmp_path, f"paths:\n{paths}\n", files).files
    assert [str(path.relative_to(tmp_path)) for path in found] == expected


@pytest.mark.parametrize(
    ("text", "encoding", "strict"),
    [
        ("", "utf-8-sig", False),
        ("transformations:\n  - read_json_lines\n", "utf-8-sig", False),
        (READ + "      encoding: utf8\n      invalid_lines: error\n", "utf-8-sig", True),
        (READ + "      encoding: ISO-8859-1\n", "latin-1", False),
        (READ + "      include_path_column: false\n", "utf-8-sig", False),
        (
            "transformations:\n  - convert_column_types:\n"
            "      - columns: image_url\n        column_type: stream_info\n",
            "utf-8-sig",
            False,
        ),
    ],
)
def test_transformations_that_matter(tmp_path, text, encoding, strict):
    found = table(tmp_path, "type: mltable\npaths:\n  - file: a.jsonl\n" + text)
    assert (found.encoding, found.strict) == (encoding, strict)


def test_a_folder_its_mltable_and_a_jsonl_file_are_all_tables(tmp_path):
    by_folder = table(tmp_path, "paths:\n  - file: a.jsonl\n")
    assert open_table(tmp_path / "MLTable", datastores={}) == by_folder
    assert open_table(tmp_path / "a.jsonl", datastores={}).files == by_folder.files


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("paths: []\n", "paths: "),
        ("path:\n  - file: a.jsonl\n", "unknown key 'path'; did you mean 'paths'|paths is missing"),
        ("paths:\n  - fil: a.jsonl\n", "did you mean 'file'"),
        ("paths:\n  - {file: a.jsonl, folder: .}\n", "exactly one of file, pattern, folder"),
        ("paths:\n  - file: gone.jsonl\n", r"no file matches 'gone\.jsonl'"),
        ("paths:\n  - pattern: '*.txt'\n", r"no file matches '\*\.txt'"),
        ("paths:\n  - file: https://host/a.jsonl\n", "is remote"),
        ("paths: [\n", r"MLTable:\d: not valid YAML"),
        (
            "paths:\n  - file: a.jsonl\ntransformations:\n  - read_delimited: {}\n",
            "unknown transformation 'read_delimited'",
        ),
        (
            "paths:\n  - file: a.jsonl\n" + READ + "      invalid_lines: ignore\n",
            "invalid_lines: input should be 'error' or 'drop', got 'ignore'",
        ),
        (
            "paths:\n  - file: a.jsonl\n" + READ + "      encoding: klingon\n",
            "unknown encoding 'klingon'",
        ),
    ],
)
def test_mistakes_name_the_file_and_the_key(tmp_path, text, message):
    with pytest.raises(UsageError, match=message):
        table(tmp_path, text)


def test_a_folder_without_mltable_says_what_belongs_there(tmp_path):
    with pytest.raises(UsageError, match="holds no file named MLTable"):
        open_table(tmp_path, datastores={})


def test_a_path_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match="gone does not exist"):
        open_table(tmp_path / "gone", datastores={})
