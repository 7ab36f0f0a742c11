"""How large the packages of a build file are, measured where they are installed."""

from collections.abc import Collection, Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import yaml
from packaging.requirements import InvalidRequirement, Requirement

from deploy.errors import UsageError


def installed_sizes(build_file: Path) -> dict[str, int]:
    """Return package → bytes for what the file names and what that needs, the largest first.

    A package that is not installed here counts as -1. Raises UsageError for no build file.
    """
    packages = installed_packages(build_file)
    sizes = {name: _size(found) if found else -1 for name, found in packages.items()}
    return dict(sorted(sizes.items(), key=lambda item: -item[1]))


def installed_packages(build_file: Path) -> dict[str, Distribution | None]:
    """Return what the file names and what that needs; None for a package not installed here.

    Raises UsageError for no build file.
    """
    try:
        packages = yaml.safe_load(build_file.read_text(encoding="utf-8"))["python"]["packages"]
        wanted = [Requirement(package) for package in packages]
    except (OSError, yaml.YAMLError, KeyError, TypeError, InvalidRequirement):
        raise UsageError(f"{build_file} is no build file with python: packages:") from None
    found_packages: dict[str, Distribution | None] = {}
    seen: set[str] = set()
    while wanted:
        requirement = wanted.pop()
        name = requirement.name.lower().replace("_", "-")
        if (key := f"{name} {sorted(requirement.extras)}") in seen:
            continue
        seen.add(key)
        try:
            found = distribution(name)
        except PackageNotFoundError:
            found_packages[name] = None
            continue
        found_packages[name] = found
        wanted += _needed(found.requires or (), requirement.extras)
    return found_packages


def _needed(requirements: Iterable[str], extras: Collection[str]) -> list[Requirement]:
    """Those of this platform, and of the extras that were asked for."""
    found = [Requirement(text) for text in requirements]
    return [
        requirement
        for requirement in found
        if requirement.marker is None
        or any(requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras))
    ]


def _size(found: Distribution) -> int:
    paths = (Path(str(file.locate())) for file in found.files or ())
    return sum(path.stat().st_size for path in paths if path.is_file())
