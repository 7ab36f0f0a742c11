"""From a clone to a container that serves: the guide's own commands, in their order.

There is no container engine here. What it would be given is made by BentoML's own code, the
packages of the image are linked into an environment that has nothing else, and its entry point is
started there.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from client import Client, ServerSaid, labels, pictures
from tests.deploy.image_environment import make_environment
from tests.deploy.servers import free_port
from tests.deploy.test_container import CONTEXT
from tests.e2e.jobs import write_job
from tests.service.servers import ROOT
from training.data.synthetic import write_classification_dataset

RUN = "first-cats"
KEY = "a-key-of-the-test"


@pytest.mark.slow  # trains, builds two Bentos and starts a server
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no git checkout to clone")
def test_a_clone_becomes_an_image_that_serves(tmp_path: Path) -> None:
    job = write_named_job(tmp_path)
    script = guide()
    for old, new in {
        # The packages are there already; `make setup` must see it.
        "&& make setup": f"&& ln -s {ROOT / '.venv'} .venv && make setup",
        "git clone URL": f"git clone --quiet {ROOT}",
        "run job.yml": f"run {job}",
        "register RUN": f"register {RUN}",
        "bentoml containerize sightline:latest -t sightline-a": (
            f"python {write_context_script(tmp_path)} sightline:latest {tmp_path / 'context'}"
        ),
    }.items():
        assert script.count(old) == 1, f"the guide has no longer {old!r}"
        script = script.replace(old, new)
    commands, _, docker_run = script.partition("docker run")
    assert "-p 3000:3000" in docker_run
    environment = {**os.environ, "BENTOML_HOME": str(tmp_path / "bentoml")}
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    python = make_environment(tmp_path / "sightline" / "bentofile.cpu.yaml", tmp_path / "packages")
    check_server(python, tmp_path / "context", photo=next((tmp_path / "data").rglob("*.jpg")))


def guide() -> str:
    """The block of commands below its heading in docs/deployment.md."""
    text = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^## From a clone to a container\n```\n(.*?)^```", text, re.M | re.S)
    return str(block)


def write_named_job(folder: Path) -> Path:
    write_classification_dataset(
        folder / "data", images_per_class=6, validation_per_class=2, size_hw=(64, 64)
    )
    path = write_job(folder / "job.yml", folder / "data", number_of_epochs=1)
    job = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump({**job, "name": RUN}), encoding="utf-8")
    return path


def write_context_script(folder: Path) -> Path:
    path = folder / "context.py"
    path.write_text(CONTEXT, encoding="utf-8")
    return path


def check_server(python: Path, context: Path, *, photo: Path) -> None:
    """Start the image's entry point; it must score, explain, describe itself and want its key."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    process = subprocess.Popen(
        [python, "-m", "bentoml", "serve", context, "--host", "127.0.0.1", "--port", str(port)],
        cwd=context,
        env={
            "PATH": f"{python.parent}:/usr/bin:/bin",
            "HOME": str(context),
            "BENTOML_HOME": str(context / "home"),
            "NUMBA_CACHE_DIR": str(context / "numba"),
            "BENTOML_CONTAINERIZED": "true",
            "BENTOML_DO_NOT_TRACK": "True",
            "SIGHTLINE_API_KEYS": KEY,
        },
    )
    try:
        with Client(url, KEY, timeout=180) as client:  # the first explanation compiles first
            client.wait_until_ready()
            result = client.score(str(photo), explain="xrai")
            versions = client.info()["versions"]
        assert {name for name, _ in labels(result)} == {"ball", "bottle", "leaf", "mug"}
        assert pictures(result)[0], result
        assert {"torch", "onnxruntime", "bentoml"} <= set(versions)
        with Client(url, "another") as stranger, pytest.raises(ServerSaid, match="401"):
            stranger.score(str(photo))
    finally:
        process.terminate()
        assert process.wait(60) == 0
