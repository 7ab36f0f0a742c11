"""What happens to requests when a process dies or is told to stop."""

import base64
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest

from tests.inference.images import encoded
from tests.service.servers import Server

TEXT = base64.b64encode(encoded(0)).decode()
SLOW = {
    "image_base64": TEXT,
    "model_explainability": True,
    "xai_parameters": {"xai_algorithm": "integrated_gradients", "n_steps": 100},
}


def explainer_of(server: Server) -> psutil.Process:
    """Return the process of the Explainer service."""
    children = psutil.Process(server.process.pid).children()
    (explainer,) = (child for child in children if "Explainer" in child.cmdline())
    return explainer


def wait_until_busy(process: psutil.Process) -> None:
    """Return when a process that was idle has worked for a while."""
    before = process.cpu_times().user
    while process.cpu_times().user < before + 0.1:
        time.sleep(0.01)


@pytest.mark.slow  # BentoML looks for dead workers every 10 s
def test_an_explainer_that_dies_is_replaced_and_the_request_is_answered(
    server: Server, client: httpx.Client
) -> None:
    assert "visualizations" in client.post("/score", json=SLOW).json()[0]
    explainer = explainer_of(server)
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(client.post, "/score", json=SLOW)
        wait_until_busy(explainer)
        explainer.kill()
        assert list(pending.result().json()[0]) == ["probs", "labels", "visualizations"]
    assert explainer_of(server).pid != explainer.pid


def test_a_stopping_server_answers_what_it_has_accepted(
    server: Server, client: httpx.Client
) -> None:
    assert "visualizations" in client.post("/score", json=SLOW).json()[0]  # it has started
    explainer = explainer_of(server)
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(client.post, "/score", json=SLOW)
        wait_until_busy(explainer)
        assert server.stop() == 0
        assert list(pending.result().json()[0]) == ["probs", "labels", "visualizations"]
