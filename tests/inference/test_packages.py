"""Versions are found in both images: with CUDA, and without."""

import importlib.metadata

import onnxruntime
import pytest

from inference.packages import package_versions
from training.environment import environment


@pytest.mark.parametrize("variant", ["onnxruntime", "onnxruntime-gpu"])
def test_the_runtime_has_a_version_in_both_images(
    variant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = importlib.metadata.distribution

    def of_the_image(name: str) -> importlib.metadata.Distribution:
        if name.startswith("onnxruntime") and name != variant:
            raise importlib.metadata.PackageNotFoundError(name)
        return read(name)

    monkeypatch.setattr(importlib.metadata, "distribution", of_the_image)
    assert package_versions(["onnxruntime"]) == {"onnxruntime": onnxruntime.__version__}
    assert environment()["packages"]["onnxruntime"] == onnxruntime.__version__


def test_a_package_that_is_missing_is_named() -> None:
    with pytest.raises(importlib.metadata.PackageNotFoundError, match="no-such-package"):
        package_versions(["torch", "no-such-package"])
