"""A connection to a Ray cluster on which trials can run: the same versions, the same folders."""

import logging
import os
import socket
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from inference.errors import UsageError

ROOT = Path(__file__).parents[2]
PACKAGES = ("ray", "torch", "torchvision", "lightning", "timm", "transformers")
_REACH_SECONDS = 5.0
_CONNECT_SECONDS = 30.0  # Ray itself goes on trying for minutes
_ANSWER_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Share:
    """What a trial gets of each of its nodes. gpus: below 1 several trials share one."""

    cores: int
    gpus: float


def connect(address: str | None) -> None:
    """Join the cluster at HOST:PORT; None: the one of RAY_ADDRESS, or that runs on this machine.

    Raises UsageError when there is none, within seconds, or one of other versions.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    where = address or os.environ.get("RAY_ADDRESS") or "auto"
    if where != "auto":
        _reach(where)
    try:
        with _time_limit(where):
            ray.init(address=where, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        if where == "auto" and isinstance(error, ConnectionError):
            raise UsageError(
                "no Ray cluster runs here; start one with `ray start --head`, or give "
                "--address HOST:PORT"
            ) from None
        line = " ".join(str(error).split())
        raise UsageError(
            f"cannot join the Ray cluster at {where}: {line}; if it asks for a token, "
            "RAY_AUTH_MODE and RAY_AUTH_TOKEN must be here as they are on its nodes"
        ) from None


def _reach(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "//" in host:
        raise UsageError(f"--address must be HOST:PORT of Ray's head node, got {address!r}")
    try:
        socket.create_connection((host, int(port)), timeout=_REACH_SECONDS).close()
    except OSError as error:
        raise UsageError(
            f"no Ray cluster at {address} ({error}); --address is HOST:PORT of the head node, "
            "as `ray start --head` prints it"
        ) from None


@contextmanager
def _time_limit(address: str) -> Iterator[None]:
    """End the process when something other than Ray is at the address; nothing has begun yet."""

    def give_up() -> None:
        sys.stderr.write(
            f"error: what is at {address} does not answer as a Ray cluster within "
            f"{_CONNECT_SECONDS:.0f} s\n"
        )
        sys.stderr.flush()
        os._exit(2)

    timer = threading.Timer(_CONNECT_SECONDS, give_up)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def check_nodes(run: Path) -> None:
    """Raise UsageError unless every node has this checkout, sees the run and has our versions."""
    own = _facts_of_a_node()(str(run.absolute()), str(ROOT), PACKAGES)
    asked = {node["NodeManagerAddress"]: _ask(node["NodeID"], run) for node in _alive()}
    for address, answer in asked.items():
        try:
            facts = ray.get(answer, timeout=_ANSWER_SECONDS)
        except RayError as error:
            line = str(error).strip().splitlines()[-1]
            raise UsageError(f"Ray node {address} does not answer: {line}") from None
        compare_nodes(address, facts, own, run)


def compare_nodes(
    address: str, facts: Mapping[str, str], own: Mapping[str, str], run: Path
) -> None:
    """Raise UsageError that names the node and the first thing in which it differs."""
    if facts["run"] != "there":
        raise UsageError(
            f"Ray node {address} does not see {run}; --runs must be a folder that all nodes share"
        )
    if facts["checkout"] != "there":
        raise UsageError(f"Ray node {address} has no checkout at {ROOT}; put it on every node")
    for name, ours in own.items():
        if facts[name] != ours:
            raise UsageError(
                f"Ray node {address} has {name} {facts[name]}, this machine {ours}; install the "
                "same requirements.lock everywhere"
            )


def share_of(count: int, *, nodes: int) -> Share:
    """Divide the cluster among `count` trials that each take `nodes` nodes.

    A share fits into the nodes that there are. Raises UsageError where these are too few.
    """
    resources = [node["Resources"] for node in _alive()]
    cores = sorted((int(one.get("CPU", 0)) for one in resources), reverse=True)
    gpus = sorted((int(one.get("GPU", 0)) for one in resources), reverse=True)
    return divide_cluster(cores, gpus, parts=count, nodes=nodes)


def divide_cluster(cores: Sequence[int], gpus: Sequence[int], *, parts: int, nodes: int) -> Share:
    """The same from the cores and GPUs of each node, most first."""
    usable = sum(count > 0 for count in (gpus if any(gpus) else cores))
    if usable < nodes:
        raise UsageError(f"node_count_per_trial is {nodes}, but the Ray cluster has {usable} nodes")
    shares = parts * nodes
    own_cores = max(1, min(sum(cores) // shares, cores[nodes - 1]))
    if sum(gpus) >= shares:
        return Share(own_cores, min(sum(gpus) // shares, gpus[nodes - 1]))
    return Share(own_cores, int(100 * sum(gpus) / shares) / 100)


def _alive() -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]


def _ask(node_id: str, run: Path) -> Any:
    strategy = NodeAffinitySchedulingStrategy(node_id, soft=False)
    task = ray.remote(_facts_of_a_node()).options(num_cpus=0, scheduling_strategy=strategy)
    return task.remote(str(run.absolute()), str(ROOT), PACKAGES)


def _facts_of_a_node() -> Any:
    """A function that Ray sends by value: a node without the checkout can run it too."""

    def facts(run: str, root: str, packages: Sequence[str]) -> dict[str, str]:
        found = {"run": Path(run).is_dir(), "checkout": Path(root, "training").is_dir()}
        versions = {"Python": python_version()}
        for name in packages:
            try:
                versions[name] = version(name)
            except PackageNotFoundError:
                versions[name] = "missing"
        return {name: "there" if yes else "missing" for name, yes in found.items()} | versions

    return facts
