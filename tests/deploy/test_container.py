"""The build context of the container image, as BentoML makes it for a container engine."""

import os
import re
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml

from deploy.deployment import SERVER_PORT
from deploy.pods import ENVIRONMENT, USER_ID
from deploy.validation import Document
from tests.deploy.servers import free_port
from tests.inference.images import encoded
from tests.model_folders import write_model_folder
from tests.service.servers import ROOT, environment
from tests.service.stores import registered

# What `bentoml containerize` does before it calls the engine. TMPDIR as in docs/deployment.md:
# BentoML reads templates below the current directory only, and copies ours to a temporary one.
CONTEXT = """
import shutil, sys, bentoml
from bentoml._internal.container import construct_containerfile
with construct_containerfile(bentoml.get(sys.argv[1])) as (folder, _):
    shutil.copytree(folder, sys.argv[2])
"""


@dataclass(frozen=True, slots=True)
class Image:
    """A build context, the model that was built in, and the lines of its Dockerfile."""

    context: Path
    model: str

    @property
    def lines(self) -> list[str]:
        text = (self.context / "env/docker/Dockerfile").read_text(encoding="utf-8")
        return [line for line in text.splitlines() if line]

    def last_stage(self, instruction: str) -> list[str]:
        start = max(n for n, line in enumerate(self.lines) if line.startswith("FROM "))
        found = [line for line in self.lines[start:] if line.startswith(f"{instruction} ")]
        return [line.removeprefix(f"{instruction} ") for line in found]


VARIANTS = ["bentofile.yaml", pytest.param("bentofile.cpu.yaml", marks=pytest.mark.slow)]


@pytest.fixture(scope="module", params=VARIANTS)
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Image:
    home = tmp_path_factory.mktemp("home")
    return built(request.param, home=home)


def built(build_file: str, *, home: Path) -> Image:
    model = registered(write_model_folder(home / "model").path, "tiny", home=home)
    tag = run(
        *("-m", "bentoml", "build", "-f", build_file, "--output", "tag"),
        *("--arg", "model=tiny:latest", "--arg", "device=cpu", "--arg", "engine=torch"),
        *("--arg", "explain=false"),
        home=home,
    ).removeprefix("__tag__:")
    run("-c", CONTEXT, tag, str(home / "context"), home=home, TMPDIR=str(ROOT))
    return Image(home / "context", model)


def run(*words: str, home: Path, **variables: str) -> str:
    ran = subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env={**environment(home), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def test_the_image_runs_without_rights_compilers_and_telemetry(image: Image) -> None:
    assert image.last_stage("USER") == [str(USER_ID)]
    assert "BENTOML_DO_NOT_TRACK=True" in " ".join(image.last_stage("ENV"))
    assert not re.search(r"apt-get|build-essential|curl", "\n".join(image.lines))
    (copied, _) = image.last_stage("COPY")
    assert copied == "--from=packages /app/.venv /app/.venv"


@pytest.mark.slow
def test_a_compiler_is_in_the_image_where_the_build_file_asks_for_one(tmp_path: Path) -> None:
    wanted = build_file("bentofile.cpu.yaml")
    wanted["docker"]["system_packages"] = ["g++"]
    (tmp_path / "bentofile.yaml").write_text(yaml.safe_dump(wanted), encoding="utf-8")
    image = built(str(tmp_path / "bentofile.yaml"), home=tmp_path)
    (install, *_) = image.last_stage("RUN")
    assert "apt-get install --yes --no-install-recommends g++ " in install


def test_the_image_says_whether_it_is_healthy(image: Image) -> None:
    (check,) = image.last_stage("HEALTHCHECK")
    assert f"http://127.0.0.1:{SERVER_PORT}/readyz" in check
    assert image.last_stage("EXPOSE") == [str(SERVER_PORT)]


def test_the_image_keeps_its_files_where_the_rendered_ones_have_room(image: Image) -> None:
    variables = dict(
        word.split("=", 1) for line in image.last_stage("ENV") for word in line.split(" ")
    )
    for name in ("BENTOML_HOME", "NUMBA_CACHE_DIR", "BENTOML_DO_NOT_TRACK"):
        assert variables[name] == ENVIRONMENT[name]


def test_the_image_holds_the_model_and_pins_every_package(image: Image) -> None:
    name, version = image.model.split(":")
    assert (image.context / "models" / name / version / "model.safetensors").exists()
    lock = (ROOT / "requirements.lock").read_bytes()
    assert (image.context / "src" / "requirements.lock").read_bytes() == lock
    (install,) = (line for line in image.lines if "pip install --requirement" in line)
    assert install.endswith("--constraint /requirements.lock")
    requirements = (image.context / "env/python/requirements.txt").read_text().splitlines()
    assert [line for line in requirements if not re.fullmatch(r"[\w-]+==[\w.]+", line)] == []


def test_only_the_gpu_variant_has_cuda(image: Image) -> None:
    requirements = (image.context / "env/python/requirements.txt").read_text()
    is_cpu = "ENV UV_TORCH_BACKEND=cpu" in image.lines
    assert ("onnxruntime-gpu" in requirements) is not is_cpu


def test_the_build_files_differ_in_the_variant_only() -> None:
    gpu, cpu = (build_file(name) for name in ("bentofile.yaml", "bentofile.cpu.yaml"))
    assert cpu["docker"].pop("env") == {"UV_TORCH_BACKEND": "cpu"}
    packages = [
        name.replace("onnxruntime-gpu", "onnxruntime") for name in gpu["python"]["packages"]
    ]
    gpu["python"]["packages"] = packages
    assert cpu == gpu


def build_file(name: str) -> Document:
    document: Document = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    return document


# Only /tmp can be written, as in the containers that are rendered.
READ_ONLY = """
set -e
mount --make-rprivate /
mount --bind "$1" /mnt
mount -o remount,bind,ro /mnt
mount -o remount,bind,ro /
mount -t tmpfs -o mode=1777 tmpfs /tmp
cd /mnt
! touch /mnt/written /var/tmp/written 2>/dev/null
exec "$2" -m bentoml serve /mnt --host 127.0.0.1 --port "$3"
"""


@pytest.mark.slow  # a server starts
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_the_image_serves_from_a_read_only_file_system(image: Image, tmp_path: Path) -> None:
    """Its files and its entry point, with the packages of this environment."""
    port = free_port()
    arguments = (str(image.context), sys.executable, str(port))
    process = subprocess.Popen(
        ["unshare", "--mount", "bash", "-c", READ_ONLY, "-", *arguments],
        env={**os.environ, **ENVIRONMENT, "BENTOML_CONTAINERIZED": "true"},
    )
    try:
        wait_until_ready(port, process)
        headers = {"Content-Type": "image/jpeg"}
        answer = httpx.post(f"http://127.0.0.1:{port}/score", content=encoded(), headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.headers["X-Model"] == image.model
    finally:
        process.terminate()
        assert process.wait(60) == 0


def wait_until_ready(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(httpx.TransportError):
            if httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError("the server did not get ready")
