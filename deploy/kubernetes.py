"""Kubernetes: per model a Deployment, Service, autoscaler and disruption budget; one route."""

from typing import Any

from deploy.deployment import EXPLAIN_S, SERVER_PORT, Deployment, Model
from deploy.pods import USER_ID, container, probe, volumes

QUEUE_METRIC = "sightline_queue_images"
# From the removal of a pod from the Service until gateways have heard of it. SIGTERM comes after,
# because the drain that is built into the image (drain_s) is too short for a cluster.
PRE_STOP_S = 5
_MARGIN_S = 5
_START_FAILURES = 100  # times 3 s: slow disks import the libraries for minutes


def workloads(deployment: Deployment) -> list[dict[str, Any]]:
    """Return what runs the models, and who may reach them."""
    kinds = (_deployment, _service, _autoscaler, _disruption_budget)
    of_models = [kind(model, deployment) for model in deployment.models for kind in kinds]
    return [*of_models, _network_policy(deployment)]


def http_route(deployment: Deployment) -> dict[str, Any]:
    """Return the Gateway API's HTTPRoute with the weights: the only file that a shift changes."""
    namespace, _, gateway = deployment.entry.gateway.partition("/")
    spec: dict[str, Any] = {"parentRefs": [{"name": gateway, "namespace": namespace}]}
    if deployment.entry.hostname:
        spec["hostnames"] = [deployment.entry.hostname]
    spec["rules"] = [
        {
            "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
            "timeouts": {"request": f"{EXPLAIN_S}s"},
            "backendRefs": [
                {"name": full_name(model), "port": SERVER_PORT, "weight": model.weight}
                for model in deployment.models
            ],
        }
    ]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "sightline", "labels": {"app.kubernetes.io/name": "sightline"}},
        "spec": spec,
    }


def full_name(model: Model) -> str:
    """Return the name of a model's objects."""
    return f"sightline-{model.name}"


def _deployment(model: Model, deployment: Deployment) -> dict[str, Any]:
    pods = deployment.pods
    server = {
        **container(model, pods),
        "startupProbe": probe("/livez", every_s=3, failures=_START_FAILURES),
        "lifecycle": {"preStop": {"sleep": {"seconds": PRE_STOP_S}}},
    }
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": _labels(model)},
    }
    template = {
        "metadata": {"labels": _labels(model)},
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": PRE_STOP_S + pods.grace_s + _MARGIN_S,
            "securityContext": {"fsGroup": USER_ID},
            "topologySpreadConstraints": [spread],
            "containers": [server],
            "volumes": volumes(),
        },
    }
    spec = {
        # No `replicas`: applying the file again would undo what the autoscaler has decided.
        "selector": {"matchLabels": _labels(model)},
        "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "template": template,
    }
    return _object("apps/v1", "Deployment", model, spec)


def _service(model: Model, _: Deployment) -> dict[str, Any]:
    port = {"name": "http", "port": SERVER_PORT, "targetPort": SERVER_PORT, "appProtocol": "http"}
    return _object("v1", "Service", model, {"selector": _labels(model), "ports": [port]})


def _autoscaler(model: Model, deployment: Deployment) -> dict[str, Any]:
    pods = deployment.pods
    target = {"type": "AverageValue", "averageValue": str(pods.queue_target)}
    metric = {"type": "Pods", "pods": {"metric": {"name": QUEUE_METRIC}, "target": target}}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": full_name(model)},
        "minReplicas": pods.replicas,
        "maxReplicas": pods.max_replicas,
        "metrics": [metric],
        # Up as soon as the queue grows; down when it has been short for five minutes.
        "behavior": {
            "scaleUp": {"stabilizationWindowSeconds": 0},
            "scaleDown": {"stabilizationWindowSeconds": 300},
        },
    }
    return _object("autoscaling/v2", "HorizontalPodAutoscaler", model, spec)


def _disruption_budget(model: Model, _: Deployment) -> dict[str, Any]:
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": _labels(model)}}
    return _object("policy/v1", "PodDisruptionBudget", model, spec)


def _network_policy(deployment: Deployment) -> dict[str, Any]:
    namespaces = [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}
        for name in deployment.entry.allow_from
    ]
    spec = {
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "sightline"}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": namespaces, "ports": [{"protocol": "TCP", "port": SERVER_PORT}]}],
        "egress": [],  # a server that scores asks nobody
    }
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "sightline", "labels": {"app.kubernetes.io/name": "sightline"}},
        "spec": spec,
    }


def _object(version: str, kind: str, model: Model, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": full_name(model), "labels": _labels(model)}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


def _labels(model: Model) -> dict[str, str]:
    return {"app.kubernetes.io/name": "sightline", "app.kubernetes.io/instance": model.name}
