"""The layout keeps its promises: who imports whom, how large files are, what gets installed."""

import ast
import re
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = {
    "inference",
    "xai",
    "training",
    "serving",
    "service",
    "load_tests",
    "benchmarks",
    "examples",
    "deploy",
    "client",
    "tests",
}
# Who may import whom; a part may always import itself.
ALLOWED = {
    "inference": set(),
    "xai": {"inference"},
    "training": {"inference"},
    "serving": {"inference", "xai"},
    "service": {"inference", "xai", "serving"},
    "load_tests": set(),
    "deploy": set(),
    "client": set(),
}
# What a folder is scored with puts parts together, as service.py does; so does the report.
ENTRY_POINTS = {"inference/folder_scorer.py": {"xai"}, "training/report/mistakes.py": {"xai"}}
# Libraries that a part must not know.
FOREIGN = {
    "inference": {"bentoml", "lightning", "captum", "starlette", "fastapi"},
    "xai": {"bentoml", "lightning", "starlette", "fastapi"},
    "training": {"bentoml", "starlette", "fastapi"},
}
# What only the servers in load_tests/baselines may use; the rest is a client.
SERVERS = {"bentoml", "litserve", "fastapi", "uvicorn", "onnxruntime", "torch", "starlette"}
KNOWS_THE_MODEL_STORE = {"training/register.py", "inference/stored_models.py"}
MAX_LINES = 300
MADE_TO_BE_COPIED = {"client.py"}  # one file, whatever its length


def source_files() -> list[Path]:
    folders = (
        "inference", "xai", "training", "serving", "load_tests", "benchmarks", "examples", "deploy",
        "tests",
    )  # fmt: skip
    found = [
        ROOT / "service.py",
        ROOT / "client.py",
        *(p for f in folders for p in (ROOT / f).rglob("*.py")),
    ]
    return sorted(path for path in found if path.exists())


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def part_of(path: Path) -> str:
    return relative(path).removesuffix(".py").split("/")[0]


def imported_packages(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{relative(path)} has a relative import"
            assert node.module is not None
            yield node.module.split(".")[0]


@pytest.mark.parametrize("path", source_files(), ids=relative)
def test_imports_go_in_the_allowed_direction(path: Path) -> None:
    part = part_of(path)
    if part not in ALLOWED:
        return
    allowed = ALLOWED[part] | ENTRY_POINTS.get(relative(path), set()) | {part}
    imported = set(imported_packages(path))
    assert imported & OURS <= allowed


@pytest.mark.parametrize("path", source_files(), ids=relative)
def test_a_part_knows_only_its_own_libraries(path: Path) -> None:
    foreign = FOREIGN.get(part_of(path), set())
    if relative(path) in KNOWS_THE_MODEL_STORE:
        foreign = foreign - {"bentoml"}
    assert not set(imported_packages(path)) & foreign


@pytest.mark.parametrize("path", sorted((ROOT / "load_tests").rglob("*.py")), ids=relative)
def test_load_tests_ask_over_http_only(path: Path) -> None:
    if path.parent.name != "baselines":
        assert not set(imported_packages(path)) & SERVERS


@pytest.mark.parametrize("path", source_files(), ids=relative)
def test_files_stay_small(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MAX_LINES or relative(path) in MADE_TO_BE_COPIED


def test_nothing_of_ours_is_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["setuptools"]["packages"] == []


def test_the_lock_file_holds_names_and_versions_only() -> None:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    assert lines
    assert [line for line in lines if "==" not in line or "//" in line or "@" in line] == []


def test_every_dependency_is_in_the_lock_file() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    names = {re.split(r"[\[=<>;]", wish)[0].strip().lower() for wish in wanted}
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8").lower()
    assert {name for name in names if f"\n{name}==" not in f"\n{lock}"} == set()
