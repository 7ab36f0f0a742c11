"""Two real servers behind the proxy that we render: the model is changed while it serves."""

import time
from contextlib import ExitStack

import pytest

from tests.deploy.commands import deploy, render
from tests.deploy.servers import free_port, running_nginx, shared_folder, under_load
from tests.inference.images import encoded
from tests.model_folders import write_model_folder
from tests.service.servers import running_server


@pytest.mark.slow  # two servers start
def test_a_model_is_changed_under_load_without_a_failed_request() -> None:
    with ExitStack() as stack:
        folder = stack.enter_context(shared_folder())
        urls = {}
        for seed, name in enumerate(("a", "b")):
            path = write_model_folder(folder / name, seed=seed).path
            arguments = (f"model={path}", "engine=torch", "device=cpu", "explain=false")
            server = stack.enter_context(running_server(*arguments, home=folder / f"home-{name}"))
            urls[name] = server.url.removeprefix("http://")
        port = free_port()
        servers = [word for name, url in urls.items() for word in ("--server", f"{name}={url}")]
        models = ("--model", "a=100", "--model", "b=0", "--port", str(port))
        render("nginx", *models, *servers, output=folder)
        stack.enter_context(running_nginx(folder, port))
        shares = {}
        with under_load(port, body=encoded(), headers={"Content-Type": "image/jpeg"}) as load:
            for share in (100, 50, 0):
                deploy("traffic", "set", f"a={share}", f"b={100 - share}", "--apply", output=folder)
                time.sleep(1)
                begin = time.monotonic()
                time.sleep(12)
                shares[share] = (begin, time.monotonic())
        assert load.failures == []
        tag = next(model for when, _, model in load.answers if when < shares[100][1])
        for share, window in shares.items():
            assert load.share(tag, *window) == pytest.approx(share, abs=3)
