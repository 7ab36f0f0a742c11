from pathlib import Path

import pytest

from deploy.errors import UsageError
from deploy.files import write_together


def test_files_are_written_below_the_folder(tmp_path: Path) -> None:
    write_together(tmp_path / "new", {"x": "1\n", "sub/y": "2\n"})
    assert (tmp_path / "new" / "x").read_text() == "1\n"
    assert (tmp_path / "new" / "sub" / "y").read_text() == "2\n"


def test_one_that_cannot_be_written_leaves_all_others_as_they_were(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("old")
    (tmp_path / "sub").write_text("a file, no folder")
    with pytest.raises(UsageError, match=r"cannot write .*sub"):
        write_together(tmp_path, {"x": "new", "sub/y": "new"})
    assert (tmp_path / "x").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sub", "x"]
