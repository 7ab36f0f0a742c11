"""The built Bento, served from another directory; and what the build file promises."""

import ast
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path

import httpx
import pytest
import yaml

from tests.inference.images import encoded
from tests.model_folders import write_model_folder
from tests.service.servers import ROOT, environment, running_server
from tests.service.stores import registered

UVICORN_FINDS = {"httptools", "uvloop"}  # and is faster with
OURS = {"inference", "serving", "service", "xai"}
RASTER = {"Content-Type": "image/jpeg"}


@dataclass(frozen=True, slots=True)
class Built:
    """A Bento in the store of `home`, built while `model` was the latest of its name."""

    tag: str
    model: str
    home: Path

    @property
    def path(self) -> Path:
        return self.home / "bentos" / self.tag.replace(":", "/")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    home = tmp_path_factory.mktemp("home")
    folder = write_model_folder(home / "model", onnx=True)
    model = registered(folder.path, "tiny", home=home)
    arguments = ("model=tiny:latest", "engine=onnxruntime", "device=cpu", "explain=false")
    command = [sys.executable, "-m", "bentoml", "build", "--output", "tag"]
    command += [part for argument in arguments for part in ("--arg", argument)]
    ran = subprocess.run(
        command, cwd=ROOT, env=environment(home), capture_output=True, text=True, check=True
    )
    tag = ran.stdout.strip().removeprefix("__tag__:")
    return Built(tag, model, home)


def test_the_bento_holds_the_code_and_names_the_model(built: Built) -> None:
    files = {path.relative_to(built.path / "src").as_posix() for path in built.path.rglob("*.py")}
    assert {"service.py", "serving/http.py", "inference/predictor.py", "xai/explainer.py"} <= files
    assert "inference/pyfunc.py" not in files
    assert {file.split("/")[0] for file in files} == {"service.py", *OURS - {"service"}}
    assert built.model in (built.path / "bento.yaml").read_text()


def test_the_bento_scores_from_another_directory(built: Built, tmp_path: Path) -> None:
    folder = write_model_folder(tmp_path / "newer", labels=("x", "y", "z"))
    registered(folder.path, "tiny", home=built.home)  # "latest" is another model from now on
    with running_server(home=built.home, target=built.tag, cwd=tmp_path) as server:
        info = httpx.get(f"{server.url}/info").json()
        assert (info["model"], info["engine"]["name"]) == (built.model, "onnxruntime")
        answer = httpx.post(f"{server.url}/score", content=encoded(), headers=RASTER)
        assert answer.json()[0]["labels"] == ["a", "b", "c"]
        assert "main.js" in httpx.get(f"{server.url}/ui").text
        assert httpx.get(f"{server.url}/ui/main.js").status_code == 200
        counted = httpx.get(f"{server.url}/metrics").text
        assert 'sightline_requests_total{route="/ui",status="200"} 1.0' in counted
        request = {"model_explainability": "true"}
        assert httpx.post(f"{server.url}/score", json=request).status_code == 400
        assert server.stop() == 0
    assert "Traceback" not in server.log.read_text()


def imported_packages(left_out: Sequence[str]) -> set[str]:
    """What service.py, serving, inference and xai import from elsewhere, as names of packages."""
    files = [ROOT / "service.py", *(p for part in OURS for p in (ROOT / part).rglob("*.py"))]
    modules: set[str] = set()
    for path in files:
        if path.relative_to(ROOT).as_posix() in left_out:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules.add(node.module.split(".")[0])
    foreign = modules - OURS - set(sys.stdlib_module_names)
    packages = packages_distributions()
    return {packages[module][0].lower() for module in foreign}


def test_the_bento_installs_what_it_imports_at_the_locked_versions() -> None:
    build = yaml.safe_load((ROOT / "bentofile.yaml").read_text(encoding="utf-8"))
    packages = build["python"]["packages"]
    assert {re.split("==", package)[0].lower() for package in packages} == (
        imported_packages(build["exclude"]) | UVICORN_FINDS
    )
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    assert [package for package in packages if package not in lock] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "model"),
        (("model=no:model",), "model 'no:model' is neither a model folder nor in the model store"),
        (("model=tiny:latest", "engin=torch"), "engin"),
        (("model=tiny:latest", "engine=torhc"), "unknown engine 'torhc'; did you mean 'torch'"),
    ],
)
def test_a_mistake_in_the_arguments_stops_the_server_at_once(
    built: Built, arguments: tuple[str, ...], message: str
) -> None:
    server = running_server(*arguments, home=built.home)
    with pytest.raises(AssertionError, match=message) as failure, server:
        pass
    assert "Traceback" not in str(failure.value)


@pytest.mark.slow  # a worker has to start; the mistakes above are found before
def test_what_no_worker_can_serve_stops_the_server(built: Built) -> None:
    server = running_server("model=tiny:latest", "engine=torch_fp16", "device=cpu", home=built.home)
    with pytest.raises(AssertionError, match="'torch_fp16' needs a GPU") as failure, server:
        pass
    assert "Traceback" not in str(failure.value)


def test_a_damaged_model_stops_the_server_at_once(built: Built, tmp_path: Path) -> None:
    folder = write_model_folder(tmp_path / "model")
    folder.weights_path.write_bytes(b"damaged")
    server = running_server(f"model={folder.path}", home=built.home)
    with pytest.raises(AssertionError, match=r"does not match its SHA-256") as failure, server:
        pass
    assert "Traceback" not in str(failure.value)
