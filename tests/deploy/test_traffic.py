"""The split that clients see through nginx, shifted while they ask; and the command's files."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from deploy.errors import UsageError
from tests.deploy.commands import A_AND_B, deploy, render
from tests.deploy.servers import (
    ask,
    free_port,
    model_server,
    running_nginx,
    shared_folder,
    under_load,
)

SETTLE_S = 0.4  # until the old workers have finished what they began
WATCH_S = 0.8


@dataclass(frozen=True, slots=True)
class Front:
    """nginx at `port`, with the files in `folder`; `stop_b` ends model b's server."""

    folder: Path
    port: int
    stop_b: ExitStack

    def shift(self, *weights: str) -> None:
        deploy("traffic", "set", *weights, "--apply", output=self.folder)


@pytest.fixture
def front() -> Iterator[Front]:
    with ExitStack() as stack:
        folder = stack.enter_context(shared_folder())
        a = stack.enter_context(model_server("a"))
        stop_b = stack.enter_context(ExitStack())
        b = stop_b.enter_context(model_server("b"))
        port = free_port()
        servers = ("--server", f"a={a}", "--server", f"b={b}", "--port", str(port))
        render("nginx", "--model", "a=100", "--model", "b=0", *servers, output=folder)
        stack.enter_context(running_nginx(folder, port))
        yield Front(folder, port, stop_b)


def test_traffic_shifts_under_load_without_a_failed_request(front: Front) -> None:
    windows: dict[float, tuple[float, float]] = {}

    def watch(expected: float) -> None:
        time.sleep(SETTLE_S)
        begin = time.monotonic()
        time.sleep(WATCH_S)
        windows[expected] = (begin, time.monotonic())

    with under_load(front.port, body=bytes(100_000)) as load:
        watch(100)
        front.shift("a=50", "b=50")
        watch(50)
        front.shift("a=90", "b=10")
        watch(90)
        front.shift("b=100")
        watch(0)
        deploy("traffic", "rollback", "--apply", output=front.folder)
        time.sleep(SETTLE_S)
    assert load.failures == []
    for expected, window in windows.items():
        assert load.share("a", *window) == pytest.approx(expected, abs=3)
    models = [ask(front.port)[1] for _ in range(20)]
    assert models.count("a") == 18  # rolled back to 90/10, and exact to one request


def test_a_model_that_dies_costs_no_request(front: Front) -> None:
    front.shift("a=50", "b=50")
    with under_load(front.port) as load:
        time.sleep(SETTLE_S)
        front.stop_b.close()
        died = time.monotonic()
        time.sleep(WATCH_S)
    assert load.failures == []
    assert {model for when, _, model in load.answers if when < died} == {"a", "b"}
    assert load.share("a", died + 0.1, died + WATCH_S) > 97


def test_the_proxy_answers_as_our_server_does_where_no_server_can(front: Front) -> None:
    status, _ = ask(front.port, bytes(20_000_001))
    assert status == 413
    front.shift("b=100")
    time.sleep(SETTLE_S)
    front.stop_b.close()
    assert ask(front.port) == (503, "")


def test_a_split_that_cannot_be_applied_leaves_the_old_one(tmp_path: Path) -> None:
    servers = ("--server", "a=127.0.0.1:9", "--server", "b=no.such.host.invalid:1")
    port = ("--port", str(free_port()))
    render("nginx", "--model", "a=100", "--model", "b=0", *servers, *port, output=tmp_path)
    before = {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(UsageError, match=r"nginx .*failed, the old split stays: "):
        deploy("traffic", "set", "b=100", "--apply", output=tmp_path)
    assert {path: path.read_text() for path in before} == before


def test_set_changes_the_route_only(tmp_path: Path) -> None:
    render("kubernetes", *A_AND_B, output=tmp_path)
    models = (tmp_path / "models.yaml").stat().st_mtime_ns
    deploy("traffic", "set", "A=50", "B=50", output=tmp_path)
    assert route_weights(tmp_path) == [50, 50]
    assert (tmp_path / "models.yaml").stat().st_mtime_ns == models
    deploy("traffic", "set", "b=100", output=tmp_path)
    assert route_weights(tmp_path) == [0, 100]


def test_rollback_goes_back_and_forth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    render("kubernetes", *A_AND_B, output=tmp_path)
    with pytest.raises(UsageError, match="nothing to go back to: a=90 b=10 were rendered"):
        deploy("traffic", "rollback", output=tmp_path)
    deploy("traffic", "set", "b=100", output=tmp_path)
    for weights in ([90, 10], [0, 100]):
        deploy("traffic", "rollback", output=tmp_path)
        assert route_weights(tmp_path) == weights
    capsys.readouterr()
    deploy("traffic", "show", output=tmp_path)
    assert capsys.readouterr().out == "a=0 b=100\nbefore: a=90 b=10\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("a=50", "b=49"), r"a=50 \+ b=49 is 99"),
        (("a=50", "c=50"), "unknown model 'c'; the models are a, b"),
        (("a=50", "a=50"), "named twice"),
    ],
)
def test_a_mistake_changes_nothing(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    render("kubernetes", *A_AND_B, output=tmp_path)
    with pytest.raises(UsageError, match=message):
        deploy("traffic", "set", *words, output=tmp_path)
    assert route_weights(tmp_path) == [90, 10]


def test_a_folder_without_a_deployment_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"deployment\.json cannot be read .* render"):
        deploy("traffic", "show", output=tmp_path)
    (tmp_path / "deployment.json").write_text('{"target": "moon"}')
    with pytest.raises(UsageError, match=r"deployment\.json: target: .*'moon'; render again"):
        deploy("traffic", "show", output=tmp_path)


def test_nginx_accepts_what_compose_gets(tmp_path: Path) -> None:
    """Its hosts are containers, which only the network of Compose knows."""
    shadow = ("--shadow", "b=10", "--port", str(free_port()))
    render("compose", *A_AND_B, *shadow, output=tmp_path)
    path = tmp_path / "proxy" / "nginx.conf"
    for name in ("a:3000", "b:3000", "comparer:3900"):
        path.write_text(path.read_text().replace(name, "127.0.0.1:9"))
    command = ["nginx", "-t", "-q", "-p", f"{path.parent}/", "-c", "nginx.conf"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


def route_weights(folder: Path) -> list[int]:
    route = yaml.safe_load((folder / "httproute.yaml").read_text(encoding="utf-8"))
    return [backend["weight"] for backend in route["spec"]["rules"][0]["backendRefs"]]
