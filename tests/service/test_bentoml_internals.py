"""What the server relies on in BentoML 1.4.39 beyond its documentation; fails when that changes."""

import asyncio
import inspect
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # BentoML uses what pathspec and pydantic have deprecated
    import bentoml
    from _bentoml_impl.client import RemoteProxy
    from _bentoml_impl.client.proxy2 import SessionManager
    from _bentoml_impl.server import serving
    from _bentoml_sdk.service.dependency import Dependency
    from bentoml._internal.bento.bento import BaseBentoInfo


def test_the_version_is_the_one_that_was_read() -> None:
    assert version("bentoml") == "1.4.39"


async def ours(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"ours, in {type(bentoml.get_current_service()).__name__}")


class Marker:
    """Middleware that leaves its mark on every answer."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def marked(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-marker", b"1")]
            await send(message)

        await self.app(scope, receive, marked)


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(toy_service().to_asgi()) as client:
        yield client


def toy_service() -> Any:
    routes = [Route(path, ours) for path in ("/", "/docs.json", "/score")]

    @bentoml.service
    @bentoml.asgi_app(Starlette(routes=routes))
    class Toy:
        pass

    Toy.add_asgi_middleware(Marker)
    return Toy


def test_mounted_routes_hide_bentomls_and_know_the_service(client: TestClient) -> None:
    for path in ("/", "/docs.json", "/score"):
        assert client.get(path).text == "ours, in Toy"
    assert client.get("/livez").text == "\n"
    assert client.get("/static_content/swagger-ui.css").status_code == 200


def test_middleware_sees_bentomls_own_routes_and_unknown_paths(client: TestClient) -> None:
    for path in ("/livez", "/nowhere"):
        assert client.get(path).headers["x-marker"] == "1"
    assert client.get("/nowhere").headers["content-type"].startswith("text/plain")


def test_the_proxy_closes_its_session_unless_its_limits_are_raised() -> None:
    """Requests in flight die with the session: the reason for Explainer's runner_connection."""

    async def refreshes(**limits: Any) -> bool:
        manager = SessionManager("http://127.0.0.1:1", 1.0, {}, **limits)
        try:
            sessions = {id(await manager.get_session()) for _ in range(103)}
            return len(sessions) > 1
        finally:
            await manager.close()

    assert asyncio.run(refreshes())
    assert not asyncio.run(refreshes(max_requests=10**9, max_age=1e9))
    assert 'get("max_requests", 100)' in inspect.getsource(RemoteProxy.__init__)


def test_dependencies_and_models_are_class_attributes() -> None:
    inner = toy_service()

    @bentoml.service
    class Outer:
        inner_service = bentoml.depends(inner)
        model = bentoml.models.BentoModel("some:tag")

    assert isinstance(Outer.dependencies["inner_service"], Dependency)
    assert [str(model) for model in Outer.models] == ["some:tag"]
    assert Outer.bento is None


def test_the_deployment_hook_runs_before_any_worker_starts() -> None:
    source = inspect.getsource(serving.serve_http)
    assert source.index("server_on_deployment(svc)") < source.index("create_dependency_watcher(")
    assert isinstance(inspect.getattr_static(BaseBentoInfo, "all_models"), property)

    class Hooked:
        @bentoml.on_deployment
        @staticmethod
        def check() -> None: ...

    assert Hooked.check.__bentoml_deployment_hook__  # the other order of decorators loses it
