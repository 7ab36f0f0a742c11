"""Several workers of one server: each answers, all count together, and one may die."""

import base64
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from inference.predictor import Predictor
from tests.inference.images import encoded
from tests.model_folders import write_model_folder
from tests.service.servers import Server, running_server

PHOTO = encoded(0)
BODY = {"image_base64": base64.b64encode(PHOTO).decode()}
REQUESTS = 40


def scorers(server: Server) -> set[int]:
    children = psutil.Process(server.process.pid).children()
    alive = (child for child in children if child.status() != psutil.STATUS_ZOMBIE)
    return {child.pid for child in alive if "Scorer" in child.cmdline()}


def answers(server: Server, count: int) -> list[httpx.Response]:
    """Ask over a new connection each, so that all workers get some."""

    def ask(_: int) -> httpx.Response:
        return httpx.post(f"{server.url}/score", json=BODY, timeout=60)

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(ask, range(count)))


def scored(server: Server) -> float:
    families = text_string_to_metric_families(httpx.get(f"{server.url}/metrics").text)
    (images,) = (family for family in families if family.name == "sightline_images")
    return sum(sample.value for sample in images.samples if sample.name.endswith("_total"))


@pytest.mark.slow
def test_two_workers_answer_count_together_and_replace_each_other(tmp_path: Path) -> None:
    folder = write_model_folder(tmp_path / "model")
    with Predictor(folder, device="cpu") as predictor:
        (expected,) = predictor.score_all([PHOTO])
    arguments = (f"model={folder.path}", "workers=2", "device=cpu", "explain=false")
    with running_server(*arguments, "engine=torch", home=tmp_path / "home") as server:
        before = scorers(server)
        assert len(before) == 2
        for answer in answers(server, REQUESTS):
            assert answer.json()[0]["probs"] == pytest.approx(expected.probs.tolist(), abs=1e-5)
        assert scored(server) == REQUESTS
        os.kill(min(before), signal.SIGKILL)
        deadline = time.monotonic() + 30
        while len(scorers(server) - before) < 1:
            assert time.monotonic() < deadline, "no worker took the place of the killed one"
            time.sleep(0.1)
        assert {answer.status_code for answer in answers(server, REQUESTS)} == {200}
        assert scored(server) == 2 * REQUESTS
        assert server.stop() == 0
