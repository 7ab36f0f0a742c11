"""What happens to requests when a process dies or is told to stop; at last the server is."""

import base64
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from tests.inference.images import encoded
from tests.model_folders import write_model_folder
from tests.service.servers import Server, running_server

TEXT = base64.b64encode(encoded(0)).decode()


def slow(n_steps: int = 100) -> dict[str, object]:
    return {
        "image_base64": TEXT,
        "model_explainability": True,
        "xai_parameters": {"xai_algorithm": "integrated_gradients", "n_steps": n_steps},
    }


def wait_until_busy(process: psutil.Process) -> None:
    """Return when a process that was idle has worked for a while."""
    before = process.cpu_times().user
    while process.cpu_times().user < before + 0.1:
        time.sleep(0.01)


def wait_for_another(server: Server, pid: int) -> None:
    """Return when a new explainer process has been started in the place of `pid`."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if server.child("Explainer").pid != pid:
                return
        except (ValueError, psutil.Error):  # there is none at the moment
            time.sleep(0.02)
    raise AssertionError("the explainer was not replaced")


@pytest.mark.slow
def test_an_explainer_that_dies_is_replaced_and_the_request_is_answered(
    server: Server, client: httpx.Client
) -> None:
    assert "visualizations" in client.post("/score", json=slow()).json()[0]
    explainer = server.child("Explainer")
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(client.post, "/score", json=slow())
        wait_until_busy(explainer)
        explainer.kill()
        assert list(pending.result().json()[0]) == ["probs", "labels", "visualizations"]
    assert server.child("Explainer").pid != explainer.pid


@pytest.mark.slow
def test_what_cannot_end_in_time_is_given_up_and_the_scores_are_sent(tmp_path: Path) -> None:
    folder = write_model_folder(tmp_path / "model", image_size=224, resize_size=256, crop_size=224)
    arguments = (f"model={folder.path}", "engine=torch", "device=cpu", "drain_s=0", "grace_s=8")
    with running_server(*arguments, home=tmp_path) as server, server.client() as client:
        assert "visualizations" in client.post("/score", json=slow(2)).json()[0]
        with ThreadPoolExecutor(1) as pool:
            pending = pool.submit(client.post, "/score", json=slow(500))
            wait_until_busy(server.child("Explainer"))
            begin = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - begin < 12
            (body,) = pending.result().json()
    assert body["explanation_error"]["message"] == "not explained because the server stops"


def test_a_stopping_server_answers_what_it_has_accepted(
    server: Server, client: httpx.Client
) -> None:
    """Its explainer has been killed and is starting again when the signal comes."""
    explainer = server.child("Explainer")
    explainer.kill()
    wait_for_another(server, explainer.pid)
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(client.post, "/score", json=slow())
        time.sleep(0.2)
        server.process.terminate()
        begin = time.monotonic()
        while (ready := httpx.get(f"{server.url}/readyz")).status_code == 200:
            assert time.monotonic() - begin < 1.4
        assert ready.status_code == 503
        late = httpx.post(f"{server.url}/score", json={"image_base64": TEXT})
        assert (late.status_code, late.headers["connection"]) == (200, "close")
        while True:
            try:
                httpx.get(f"{server.url}/livez", timeout=10)
            except httpx.TransportError as error:
                refusal = error
                break
        assert not isinstance(refusal, httpx.TimeoutException), refusal
        time.sleep(0.5)
        with pytest.raises(httpx.ConnectError, match="refused"):
            httpx.get(f"{server.url}/livez", timeout=10)
        assert not pending.done()
        assert list(pending.result().json()[0]) == ["probs", "labels", "visualizations"]
    assert server.process.wait(30) == 0
    assert "Traceback" not in server.log.read_text()
