"""Write the files of a deployment."""

import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from deploy.commands.options import DEFAULT_OUTPUT, Output
from deploy.console import say
from deploy.deployment import SERVER_PORT, STATE, Deployment, checked, read_deployment
from deploy.errors import UsageError
from deploy.files import write_together
from deploy.proxy import COMPARER_PORT
from deploy.targets import rendered
from deploy.weights import as_words, known, pairs, read_weights

_TARGETS = ("compose", "kubernetes", "nginx")


Target = Annotated[str, typer.Option(help=" | ".join(_TARGETS))]
Model = Annotated[
    list[str], typer.Option(metavar="NAME=WEIGHT", help="Once per model; they sum to 100.")
]
Image = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=IMAGE", help="A model's image; by default sightline-NAME."),
]
Server = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=HOST:PORT", help="nginx: where a model's server listens."),
]
Port = Annotated[int, typer.Option(help="Of the proxy; compose and nginx.")]
Replicas = Annotated[
    int | None, typer.Option(help="Servers per model, at least; 1, on Kubernetes 2.")
]
MaxReplicas = Annotated[
    int | None, typer.Option(help="Kubernetes scales up to this many; by default 8.")
]
QueueTarget = Annotated[
    int, typer.Option(help="Kubernetes: images in a server's queue that ask for one more.")
]
Cpus = Annotated[int, typer.Option(help="Per server.")]
MemoryGb = Annotated[int, typer.Option(help="Per server.")]
Gpu = Annotated[bool, typer.Option("--gpu", help="One NVIDIA GPU per server.")]
WithoutKeys = Annotated[
    bool, typer.Option("--without-keys", help="Whoever reaches the port may score.")
]
GraceS = Annotated[int, typer.Option(help="The grace_s that the Bentos were built with.")]
Gateway = Annotated[
    str, typer.Option(metavar="NAMESPACE/NAME", help="Kubernetes: the Gateway to attach to.")
]
Hostname = Annotated[str | None, typer.Option(help="Kubernetes: the route's host.")]
AllowFrom = Annotated[
    list[str] | None,
    typer.Option(metavar="NAMESPACE", help="Kubernetes: may reach the servers, repeatable."),
]
Kserve = Annotated[bool, typer.Option("--kserve", help="Kubernetes: one InferenceService instead.")]
Shadow = Annotated[
    str | None, typer.Option(metavar="NAME=PERCENT", help="Compare a model with the others.")
]
Comparer = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="nginx: where `deploy shadow` listens.")
]


def render(
    target: Target,
    model: Model,
    image: Image = None,
    server: Server = None,
    output: Output = DEFAULT_OUTPUT,
    port: Port = 8080,
    replicas: Replicas = None,
    max_replicas: MaxReplicas = None,
    queue_target: QueueTarget = 8,
    cpus: Cpus = 2,
    memory_gb: MemoryGb = 4,
    gpu: Gpu = False,
    without_keys: WithoutKeys = False,
    grace_s: GraceS = 25,
    gateway: Gateway = "gateways/public",
    hostname: Hostname = None,
    allow_from: AllowFrom = None,
    kserve: Kserve = False,
    shadow: Shadow = None,
    comparer: Comparer = None,
) -> None:
    """Write the files that put models in front of users; docs/deployment.md explains them.

    --target compose: this machine, containers behind nginx. nginx: this machine, servers that run
    already. kubernetes: a cluster with the Gateway API. Nothing is written if anything is wrong.
    """
    _check_target(target, kserve)
    weights = read_weights(model)
    at_least = (2 if target == "kubernetes" else 1) if replicas is None else replicas
    deployment = checked(
        {
            "target": "kserve" if kserve else target,
            "models": _models(target, weights, pairs(image or []), pairs(server or [])),
            "pods": {
                "replicas": at_least,
                "max_replicas": max(8, at_least) if max_replicas is None else max_replicas,
                "queue_target": queue_target,
                "cpus": cpus,
                "memory_gb": memory_gb,
                "gpu": gpu,
                "keys": not without_keys,
                "grace_s": grace_s,
            },
            "entry": {
                "port": port,
                "gateway": gateway,
                "hostname": hostname,
                "allow_from": allow_from or [gateway.partition("/")[0], "monitoring"],
            },
            "shadow": _shadow(shadow, target, weights, comparer),
        }
    )
    if target != "kubernetes":
        _check_port(deployment, output)
    files = rendered(deployment, output)
    write_together(output, files)
    say(f"{', '.join(files)} written to {output}; {as_words(weights)}")


def _check_target(target: str, kserve: bool) -> None:
    if target not in _TARGETS:
        raise UsageError(f"unknown target {target!r}; the targets are {', '.join(_TARGETS)}")
    if kserve and target != "kubernetes":
        raise UsageError(f"--kserve is for --target kubernetes, not {target}")


def _models(
    target: str, weights: Mapping[str, int], images: Mapping[str, str], servers: Mapping[str, str]
) -> list[dict[str, object]]:
    known(images, weights)
    known(servers, weights)
    if target == "nginx" and (missing := [name for name in weights if name not in servers]):
        raise UsageError(f"--target nginx needs --server {missing[0]}=HOST:PORT")
    if target != "nginx" and servers:
        raise UsageError(f"--server is for --target nginx, not {target}")
    return [
        {
            "name": name,
            "image": images.get(name, f"sightline-{name}"),
            "server": servers.get(name, f"{name}:{SERVER_PORT}"),
            "weight": weight,
        }
        for name, weight in weights.items()
    ]


def _shadow(
    word: str | None, target: str, weights: Mapping[str, int], comparer: str | None
) -> dict[str, object] | None:
    if word is None:
        return None
    if target == "kubernetes":
        raise UsageError("--shadow is for --target compose and nginx; see docs/deployment.md")
    ((name, percent),) = pairs([word]).items()
    known([name], weights)
    if len(weights) < 2:
        raise UsageError(f"--shadow {name} needs another model to compare {name!r} with")
    if target == "nginx" and comparer is None:
        raise UsageError("--shadow needs --comparer HOST:PORT with --target nginx")
    return {"model": name, "percent": percent, "comparer": comparer or f"comparer:{COMPARER_PORT}"}


def _check_port(deployment: Deployment, folder: Path) -> None:
    """Raise UsageError for a port that another program uses; an earlier proxy of `folder` may."""
    port = deployment.entry.port
    if (folder / STATE).exists():
        with suppress(UsageError):
            if read_deployment(folder).entry.port == port:
                return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError as error:
            raise UsageError(
                f"port {port} cannot be used ({error.strerror}); choose another with --port"
            ) from None
