"""The Python of a container image, without one: nothing but the packages of a build file."""

import subprocess
import sys
from importlib.metadata import Distribution
from pathlib import Path

from deploy.sizes import installed_packages

_WITH_CUDA = "onnxruntime-gpu"


def make_environment(build_file: Path, folder: Path) -> Path:
    """Link the packages that the image installs into a new environment; return its Python.

    They are this environment's, so nothing is fetched. Its onnxruntime is the one with CUDA; where
    the file names the other one, which has the same modules, it goes by that one's name.
    """
    text = build_file.read_text(encoding="utf-8")
    has_cuda = _WITH_CUDA in text
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    here = folder / "build_file_of_this_environment.yaml"
    here.write_text(
        text if has_cuda else text.replace("onnxruntime==", f"{_WITH_CUDA}=="), encoding="utf-8"
    )
    packages = installed_packages(here)
    assert None not in packages.values(), f"{build_file.name} names what is not installed here"
    for name, found in packages.items():
        assert found is not None
        _link(found, site, drop="" if has_cuda or name != _WITH_CUDA else "_gpu")
    return folder / "bin" / "python"


def _link(found: Distribution, site: Path, *, drop: str) -> None:
    """Link its files; `drop` goes from the name of the folder that says what is installed."""
    for file in found.files or ():
        if ".." in file.parts:  # a script or a manual, outside of the packages
            continue
        path = site / file.parts[0].replace(drop, "") / Path(*file.parts[1:])
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() and (there := Path(str(file.locate()))).exists():
            path.symlink_to(there)
