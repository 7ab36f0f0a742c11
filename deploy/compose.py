"""Compose: the models' servers, nginx in front of them, nothing else reachable."""

from typing import Any

from deploy.deployment import SERVER_PORT, Deployment, Model, Pods, Shadow
from deploy.pods import ENVIRONMENT, USER_ID
from deploy.proxy import COMPARER_PORT

KEYS_FILE = "keys.env"
PROXY_IMAGE = "nginx:1.28-alpine"
_PROXY_USER = "101:101"  # nginx's user in its image
_PYTHON = "/app/.venv/bin/python"


def compose(deployment: Deployment, *, checkout: str) -> dict[str, Any]:
    """Return compose.yaml's document; `checkout` is our root as seen from that file's folder."""
    services = {model.name: _server(model, deployment.pods) for model in deployment.models}
    services["proxy"] = _proxy(deployment)
    if deployment.shadow:
        services["comparer"] = _comparer(deployment, deployment.shadow, checkout)
    return {
        "name": "sightline",
        "services": services,
        # Only the proxy has a way out; a server that scores asks nobody.
        "networks": {"models": {"internal": True}, "front": {}},
    }


def _server(model: Model, pods: Pods) -> dict[str, Any]:
    service: dict[str, Any] = {
        "image": model.image,
        "environment": ENVIRONMENT,
        "networks": ["models"],
        "healthcheck": _health(
            f'{_PYTHON} -c "import urllib.request as r; '
            f"r.urlopen('http://127.0.0.1:{SERVER_PORT}/readyz', timeout=5)\"",
            start_s=300,
        ),
        "stop_grace_period": f"{pods.grace_s + 5}s",
        "user": f"{USER_ID}:{USER_ID}",
        **_locked_down("2g"),
        "deploy": _resources(pods),
    }
    if pods.keys:
        service["env_file"] = [KEYS_FILE]  # SIGHTLINE_API_KEYS=key1,key2
    return service


def _proxy(deployment: Deployment) -> dict[str, Any]:
    waits = {model.name: {"condition": "service_healthy"} for model in deployment.models}
    if deployment.shadow:  # nginx looks hosts up when it starts
        waits["comparer"] = {"condition": "service_started"}
    return {
        "image": PROXY_IMAGE,
        "entrypoint": ["nginx", "-p", "/tmp/", "-c", "/etc/sightline/nginx.conf"],
        "command": ["-g", "daemon off;"],
        "depends_on": waits,
        "networks": ["front", "models"],
        "ports": [f"{deployment.entry.port}:8080"],
        # The folder, not the file: a mounted file would stay the old one when it is replaced.
        "volumes": ["./proxy:/etc/sightline:ro"],
        "healthcheck": _health("wget -q -O /dev/null http://127.0.0.1:8080/readyz", start_s=10),
        "stop_signal": "SIGQUIT",  # finish the requests in flight
        "stop_grace_period": f"{deployment.pods.grace_s + 5}s",
        "user": _PROXY_USER,
        **_locked_down("1g"),
        "deploy": {"resources": {"limits": {"cpus": "1", "memory": "512M"}}},
    }


def _comparer(deployment: Deployment, shadow: Shadow, checkout: str) -> dict[str, Any]:
    """Compares in the image of the primary model, which has all that `deploy` imports."""
    primary = primary_model(deployment, shadow)
    candidate = next(model for model in deployment.models if model.name == shadow.model)
    command = ["-m", "deploy", "shadow", "--host", "0.0.0.0", "--port", str(COMPARER_PORT)]
    command += ["--primary", f"http://{primary.server}"]
    command += ["--candidate", f"http://{candidate.server}"]
    return {
        "image": primary.image,
        "entrypoint": [_PYTHON, *command],
        "working_dir": "/comparer",
        "networks": ["models"],
        "volumes": [f"{checkout}/deploy:/comparer/deploy:ro"],
        "environment": {"PYTHONDONTWRITEBYTECODE": "1"},
        "user": f"{USER_ID}:{USER_ID}",
        **_locked_down("64m"),
        "deploy": {"resources": {"limits": {"cpus": "1", "memory": "1G"}}},
    }


def primary_model(deployment: Deployment, shadow: Shadow) -> Model:
    """Return the model that the shadow is compared with: the other one with most requests."""
    others = [model for model in deployment.models if model.name != shadow.model]
    return max(others, key=lambda model: model.weight)


def _resources(pods: Pods) -> dict[str, Any]:
    amounts = {"cpus": str(pods.cpus), "memory": f"{pods.memory_gb}G"}
    resources: dict[str, Any] = {"limits": amounts}
    if pods.gpu:
        device = {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
        resources["reservations"] = {"devices": [device]}
    return {"replicas": pods.replicas, "resources": resources}


def _health(command: str, *, start_s: int) -> dict[str, Any]:
    return {
        "test": ["CMD-SHELL", command],
        "interval": "10s",
        "timeout": "10s",
        "retries": 3,
        "start_period": f"{start_s}s",
        "start_interval": "2s",
    }


def _locked_down(tmp_size: str) -> dict[str, Any]:
    return {
        "read_only": True,
        "tmpfs": [f"/tmp:size={tmp_size},mode=1777"],
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "restart": "unless-stopped",
    }
