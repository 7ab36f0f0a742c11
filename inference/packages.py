"""Versions of installed packages: what figures and verdicts depend on."""

from collections.abc import Iterable
from importlib.metadata import version

import onnxruntime


def package_versions(names: Iterable[str]) -> dict[str, str]:
    """The versions by package.

    onnxruntime is `onnxruntime-gpu` or, in an image without CUDA, `onnxruntime`: its module knows.

    Raises importlib.metadata.PackageNotFoundError for a package that is not installed.
    """
    return {
        name: onnxruntime.__version__ if name == "onnxruntime" else version(name) for name in names
    }
