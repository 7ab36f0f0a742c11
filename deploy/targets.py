"""Where a deployment runs: its files, those that a shift of traffic changes, how to apply it."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.compose import compose
from deploy.deployment import STATE, Deployment, Target
from deploy.kserve import inference_service
from deploy.kubernetes import http_route, workloads
from deploy.proxy import CONF, nginx_conf
from deploy.yaml_text import to_yaml

_CHECKOUT = Path(__file__).parents[1]
Files = Callable[[Deployment, Path], dict[str, str]]


@dataclass(frozen=True, slots=True)
class Kind:
    """`whole` and `split` return name → text; `apply` are commands, run in order in the folder."""

    whole: Files
    split: Files
    apply: tuple[tuple[str, ...], ...]


def rendered(deployment: Deployment, folder: Path) -> dict[str, str]:
    """Return every file of the deployment."""
    kind = KINDS[deployment.target]
    files = {**kind.whole(deployment, folder), **kind.split(deployment, folder)}
    return {**files, STATE: deployment.to_json()}


def rendered_split(deployment: Deployment, folder: Path) -> dict[str, str]:
    """Return only the files that say how requests are split."""
    return {**KINDS[deployment.target].split(deployment, folder), STATE: deployment.to_json()}


def _proxy(deployment: Deployment, _: Path) -> dict[str, str]:
    return {CONF: nginx_conf(deployment)}


def _compose(deployment: Deployment, folder: Path) -> dict[str, str]:
    checkout = os.path.relpath(_CHECKOUT, folder.absolute())
    return {"compose.yaml": to_yaml([compose(deployment, checkout=checkout)])}


def _workloads(deployment: Deployment, _: Path) -> dict[str, str]:
    return {"models.yaml": to_yaml(workloads(deployment))}


def _route(deployment: Deployment, _: Path) -> dict[str, str]:
    return {"httproute.yaml": to_yaml([http_route(deployment)])}


def _inference_service(deployment: Deployment, _: Path) -> dict[str, str]:
    return {"inferenceservice.yaml": to_yaml([inference_service(deployment)])}


def _nothing(_: Deployment, __: Path) -> dict[str, str]:
    return {}


_IN_CONTAINER = ("docker", "compose", "exec", "-T", "proxy")
_NGINX_IN_CONTAINER = ("nginx", "-p", "/tmp/", "-c", "/etc/sightline/nginx.conf")
_NGINX = ("nginx", "-p", "proxy/", "-c", "nginx.conf")
KINDS: Mapping[Target, Kind] = {
    "compose": Kind(
        whole=_compose,
        split=_proxy,
        apply=(
            (*_IN_CONTAINER, *_NGINX_IN_CONTAINER, "-t", "-q"),
            (*_IN_CONTAINER, *_NGINX_IN_CONTAINER, "-s", "reload"),
        ),
    ),
    "nginx": Kind(
        whole=_nothing,
        split=_proxy,
        apply=((*_NGINX, "-t", "-q"), (*_NGINX, "-s", "reload")),
    ),
    "kubernetes": Kind(
        whole=_workloads, split=_route, apply=(("kubectl", "apply", "-f", "httproute.yaml"),)
    ),
    "kserve": Kind(
        whole=_nothing,
        split=_inference_service,
        apply=(("kubectl", "apply", "-f", "inferenceservice.yaml"),),
    ),
}
