from importlib.metadata import distribution
from pathlib import Path

import pytest

from deploy.errors import UsageError
from deploy.sizes import installed_sizes


def sizes_of(folder: Path, packages: str) -> dict[str, int]:
    file = folder / "bentofile.yaml"
    file.write_text(f"python:\n  packages: {packages}\n", encoding="utf-8")
    return installed_sizes(file)


def test_a_package_counts_with_what_it_needs(tmp_path: Path) -> None:
    sizes = sizes_of(tmp_path, "[jinja2]")
    assert list(sizes) == ["jinja2", "markupsafe"]
    files = distribution("jinja2").files or []
    assert sizes["jinja2"] == sum(path.locate().stat().st_size for path in files)


def test_one_that_is_not_installed_is_told(tmp_path: Path) -> None:
    assert sizes_of(tmp_path, "[no-such-package==1]") == {"no-such-package": -1}


def test_extras_count_when_they_are_asked_for(tmp_path: Path) -> None:
    plain, with_extra = (
        sizes_of(tmp_path, f"['{name}']") for name in ("uvicorn", "uvicorn[standard]")
    )
    assert set(plain) < set(with_extra)


def test_no_build_file_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no build file"):
        installed_sizes(tmp_path / "missing.yaml")
