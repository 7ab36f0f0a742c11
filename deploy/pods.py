"""A model's container in Kubernetes, for Deployments and for KServe."""

from typing import Any

from deploy.deployment import SERVER_PORT, Model, Pods

USER_ID = 1034  # BentoML's user in the image
KEYS_VARIABLE = "SIGHTLINE_API_KEYS"
KEYS_SECRET = "sightline-api-keys"
TMP_SIZE = "2Gi"
# The server's files all lie in /tmp, so that the image can be mounted read-only.
ENVIRONMENT = {
    "BENTOML_DO_NOT_TRACK": "True",
    "BENTOML_HOME": "/tmp/bentoml",
    "HOME": "/tmp",
    "NUMBA_CACHE_DIR": "/tmp/numba",
    "FORWARDED_ALLOW_IPS": "*",  # only the proxy reaches the server
}


def container(model: Model, pods: Pods) -> dict[str, Any]:
    """Return the container; its memory is a limit, its CPUs too, so that its speed is known."""
    return {
        "name": "sightline",
        "image": model.image,
        "ports": [{"containerPort": SERVER_PORT, "protocol": "TCP"}],
        "env": _environment(pods),
        "resources": _resources(pods),
        "readinessProbe": probe("/readyz", every_s=2, failures=2),
        # A worker that dies is replaced by the server itself within a second or so; only a server
        # that says nothing for a minute needs a new container.
        "livenessProbe": probe("/livez", every_s=10, failures=6),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }


def volumes() -> list[dict[str, Any]]:
    """Return what `container` mounts."""
    return [{"name": "tmp", "emptyDir": {"sizeLimit": TMP_SIZE}}]


def probe(path: str, *, every_s: int, failures: int) -> dict[str, Any]:
    """Return an HTTP probe; connections wait while a worker imports its libraries."""
    return {
        "httpGet": {"path": path, "port": SERVER_PORT},
        "periodSeconds": every_s,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }


def _environment(pods: Pods) -> list[dict[str, Any]]:
    plain: list[dict[str, Any]] = [{"name": n, "value": v} for n, v in ENVIRONMENT.items()]
    if pods.keys:
        reference = {"name": KEYS_SECRET, "key": "keys"}
        plain.append({"name": KEYS_VARIABLE, "valueFrom": {"secretKeyRef": reference}})
    return plain


def _resources(pods: Pods) -> dict[str, Any]:
    amounts = {"cpu": str(pods.cpus), "memory": f"{pods.memory_gb}Gi"}
    gpu = {"nvidia.com/gpu": "1"} if pods.gpu else {}  # Kubernetes wants request = limit for it
    return {"requests": {**amounts, **gpu}, "limits": {**amounts, **gpu}}
