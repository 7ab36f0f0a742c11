"""What the server relies on in BentoML 1.4.39 beyond its documentation; fails when that changes."""

import asyncio
import inspect
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from uvicorn.protocols.http import h11_impl, httptools_impl

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # BentoML uses what pathspec and pydantic have deprecated
    import bentoml
    from _bentoml_impl.client import RemoteProxy
    from _bentoml_impl.client.proxy2 import SessionManager
    from _bentoml_impl.server import serving
    from _bentoml_sdk.service.dependency import Dependency
    from bentoml._internal.bento.bento import BaseBentoInfo
    from bentoml._internal.server.http import instruments
    from bentoml._internal.utils import circus
    from circus import arbiter, watcher

    from serving import supervisor


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


class Inner:
    """Middleware that was added later, and is therefore closer to the route."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def marked(message: Any) -> None:
            if message["type"] == "http.response.start":
                assert b"x-marker" not in dict(message["headers"])
            await send(message)

        await self.app(scope, receive, marked)


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(toy_service().to_asgi()) as client:
        yield client


def toy_service(*, is_ready: bool = True) -> Any:
    routes = [Route(path, ours) for path in ("/", "/docs.json", "/score", "/metrics")]

    @bentoml.service(metrics={"enabled": False}, logging={"access": {"enabled": False}})
    @bentoml.asgi_app(Starlette(routes=routes))
    class Toy:
        async def __is_ready__(self) -> bool:
            return is_ready

    Toy.add_asgi_middleware(Marker)
    Toy.add_asgi_middleware(Inner)
    return Toy


def test_mounted_routes_hide_bentomls_and_know_the_service(client: TestClient) -> None:
    for path in ("/", "/docs.json", "/score", "/metrics"):
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


@pytest.mark.parametrize(("is_ready", "status"), [(True, 200), (False, 503)])
def test_readyz_asks_the_service(is_ready: bool, status: int) -> None:
    with TestClient(toy_service(is_ready=is_ready).to_asgi()) as client:
        assert client.get("/readyz").status_code == status
        assert client.get("/livez").status_code == 200


def test_bentomls_own_metrics_and_access_log_can_be_left_out(client: TestClient) -> None:
    """Its metrics keep every path that anybody asks for: memory without bounds."""
    middleware = [one.cls.__name__ for one in client.app.user_middleware]
    assert "RunnerTrafficMetricsMiddleware" not in middleware
    assert "AccessLogMiddleware" not in middleware
    assert middleware.index("Marker") < middleware.index("Inner")
    assert 'endpoint = scope["path"]' in inspect.getsource(instruments)


def test_the_supervisor_can_be_replaced_before_it_is_made() -> None:
    made = inspect.getsource(circus.create_standalone_arbiter)
    assert "ThreadedArbiter if threaded else Arbiter" in made
    assert 'check_delay=kwargs.pop("check_delay", 10)' in made
    serve = inspect.getsource(serving.serve_http)
    assert serve.index("server_on_deployment(svc)") < serve.index("= create_standalone_arbiter(")
    assert (supervisor.ENTRY, supervisor.ENTRY_SOCKET) == ("service", serving.API_SERVER_NAME)
    assert f'name="{supervisor.ENTRY}",' in serve


def test_circus_stops_watchers_through_the_method_that_is_overridden() -> None:
    for method in (arbiter.Arbiter.stop, arbiter.Arbiter._Arbiter__stop):
        source = inspect.getsource(method)
        assert source.index("self._stopping = True") < source.index("self._stop_watchers(")
    for name in ("graceful_timeout", "respawn", "hooks"):
        assert f"self.{name}" in inspect.getsource(watcher.Watcher)
    assert '"after_reap", process_status=process_status, **msg' in inspect.getsource(
        watcher.Watcher.reap_process
    )


def test_uvicorn_handles_signals_by_a_method_of_the_server() -> None:
    source = inspect.getsource(uvicorn.Server.capture_signals)
    assert "signal.signal(sig, self.handle_exit)" in source
    for protocol in (h11_impl.H11Protocol, httptools_impl.HttpToolsProtocol):
        for name in ("timeout_keep_alive_task", "cycle", "transport"):
            assert f"self.{name}" in inspect.getsource(protocol)
