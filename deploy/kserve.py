"""KServe: one InferenceService, whose canary is the newest model."""

from typing import Any

from deploy.deployment import EXPLAIN_S, Deployment
from deploy.pods import container, volumes


def inference_service(deployment: Deployment) -> dict[str, Any]:
    """Return the InferenceService with the image of the last model.

    KServe sends canaryTrafficPercent of the requests to it and the rest to the revision that got
    all of them before: the other model must have been applied first, with weight 100. Without the
    field the last model is promoted.
    """
    newest, pods = deployment.models[-1], deployment.pods
    predictor: dict[str, Any] = {
        "minReplicas": pods.replicas,
        "maxReplicas": pods.max_replicas,
        "scaleMetric": "concurrency",
        "scaleTarget": pods.queue_target,
        "timeout": EXPLAIN_S,
        "containers": [container(newest, pods)],
        "volumes": volumes(),
    }
    if newest.weight < 100:
        predictor = {"canaryTrafficPercent": newest.weight, **predictor}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "sightline"},
        "spec": {"predictor": predictor},
    }
