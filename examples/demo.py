"""`make demo`: synthetic photos to explained answers and boxes, with the README's commands."""

import base64
import json
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from training.data.synthetic import write_classification_dataset, write_detection_dataset
from training.runs import RUNS, all_runs
from training.show import progress_bar

DEMO = Path("demo")
PORT = 3000
CURL = (
    "curl -s http://127.0.0.1:3000/score -H 'Content-Type: application/json' -d @demo/request.json"
)
START_TIMEOUT_S = 120
CONSOLE = Console(soft_wrap=True, highlight=False)


def main() -> int:
    """Run every step; return the exit code."""
    port = _free_port(PORT)
    CONSOLE.rule("1  labelled images")
    shutil.rmtree(DEMO, ignore_errors=True)
    with progress_bar("drawing photos") as progress:
        write_classification_dataset(DEMO / "data", images_per_class=160, seed=1, progress=progress)
    CONSOLE.print(f"synthetic photos in {DEMO / 'data'}")
    CONSOLE.rule("2  train")
    _command("-m training run examples/demo.yml")
    CONSOLE.rule("3  register")
    run = [run for run in all_runs(RUNS) if run.path.parent.name == "demo"][-1]
    _command(f"-m training register {run.name} --name demo")
    CONSOLE.rule("4  serve and ask")
    photo = sorted((DEMO / "data").rglob("*.jpg"))[0]
    _write_request(photo)
    with _server(port):
        answer = _ask(CURL.replace(str(PORT), str(port)))
    _show(answer, photo)
    CONSOLE.rule("5  a detector")
    with progress_bar("drawing scenes") as progress:
        scenes = write_detection_dataset(
            DEMO / "scenes",
            labels=("bottle", "leaf", "mug"),
            images=360,
            validation_images=60,
            size_hw=(160, 160),
            objects=(1, 3),
            seed=1,
            progress=progress,
        )
    _command("-m training run examples/demo_detection.yml")
    detector = [run for run in all_runs(RUNS) if run.path.parent.name == "demo-detection"][-1]
    _copy_some(scenes.validation)
    _command(
        f"-m inference demo/look --model {detector.path / 'best' / 'model'} "
        "--output demo/found.jsonl --draw demo/drawn --set box_score_thresh=0.35"
    )
    CONSOLE.print("what it found: demo/found.jsonl, and drawn: demo/drawn/")
    _say_what_next(run.name)
    return 0


def _command(arguments: str) -> None:
    """Run a Python command of this project as a person would, in the open."""
    CONSOLE.print(f"[bold]$ python {arguments}[/bold]")
    code = subprocess.call([sys.executable, *shlex.split(arguments)])
    if code != 0:
        sys.exit(code)


def _write_request(photo: Path) -> None:
    request = {
        "image_base64": base64.b64encode(photo.read_bytes()).decode(),
        "model_explainability": True,
        "xai_parameters": {"xai_algorithm": "xrai"},
    }
    (DEMO / "request.json").write_text(json.dumps(request), encoding="utf-8")


def _copy_some(table: Path, count: int = 4) -> None:
    """Put a few scenes that the detector has not learned from into demo/look."""
    (DEMO / "look").mkdir()
    lines = next(table.glob("*.jsonl")).read_text(encoding="utf-8").splitlines()
    for line in lines[:count]:
        shutil.copy(table / json.loads(line)["image_url"], DEMO / "look")


@contextmanager
def _server(port: int) -> Iterator[None]:
    """The scoring server, ready to answer; stopped at the end."""
    arguments = f"serve service:Scorer --arg model=demo:latest --host 127.0.0.1 --port {port}"
    CONSOLE.print(f"[bold]$ bentoml {arguments}[/bold]")
    with (DEMO / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bentoml", *arguments.split()], stdout=log, stderr=log
        )
    try:
        with CONSOLE.status("the server loads the model"):
            _wait_until_ready(process, f"http://127.0.0.1:{port}/readyz")
        yield
    finally:
        process.terminate()
        process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    sys.exit(f"error: the server did not start; see {DEMO / 'server.log'}")


def _ask(curl: str) -> Any:
    """Send the README's request: with curl itself where it is installed."""
    CONSOLE.print(f"[bold]$ {curl}[/bold]")
    if shutil.which("curl"):
        return json.loads(subprocess.check_output(shlex.split(curl)))
    url = next(word for word in shlex.split(curl) if word.startswith("http"))
    body = (DEMO / "request.json").read_bytes()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as response:
        return json.load(response)


def _show(answer: Any, photo: Path) -> None:
    body = dict(answer[0])
    picture = base64.b64decode(body.pop("visualizations"))
    (DEMO / "explanation.png").write_bytes(picture)
    CONSOLE.print_json(json.dumps([{**body, "visualizations": f"{len(picture)} bytes of PNG"}]))
    CONSOLE.print(f"the photo:       {photo}")
    CONSOLE.print(f"its explanation: {DEMO / 'explanation.png'}")


def _say_what_next(run: str) -> None:
    CONSOLE.rule("what to type next")
    CONSOLE.print(
        f".venv/bin/python -m training show {run}\n"
        ".venv/bin/bentoml serve service:Scorer --arg model=demo:latest\n"
        f"{CURL}\n"
        ".venv/bin/python -m inference demo/data --model demo:latest --output predictions.jsonl\n"
        "your own photos: docs/data.md makes a data set of them, docs/jobs.md a job"
    )


def _free_port(wanted: int) -> int:
    """The wanted port, or any free one when it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            CONSOLE.print(f"port {wanted} is in use, another one is taken")
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
