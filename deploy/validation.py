"""Rendered documents against the official schemas, which come with the developers' packages."""

import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from deploy.errors import UsageError

KUBERNETES_VERSION = "1.33"  # the oldest that is still supported, where preStop.sleep is on
_INSTALL = "`make setup` installs it"
_SCHEMAS = Path(__file__).parent / "schemas"
Document = dict[str, Any]


def check_file(path: Path) -> int:
    """Check every document of a YAML file; returns how many there were.

    Raises UsageError for the first one that its schema refuses, and for one without a schema.
    """
    try:
        documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError) as error:
        raise UsageError(f"{path} cannot be read: {' '.join(str(error).split())}") from None
    for document in documents:
        for problem in problems(document):
            raise UsageError(f"{path}: {problem}")
    return len(documents)


def problems(document: Document) -> Iterator[str]:
    """Yield what is wrong with a Compose file or a Kubernetes resource."""
    if "services" in document:
        yield from _refused("compose.yaml", document, _compose_schema())
        return
    kind, version = document.get("kind", "?"), document.get("apiVersion", "?")
    own = _SCHEMAS / f"{kind}.json"
    if own.exists():
        yield from _refused(kind, document, json.loads(own.read_text(encoding="utf-8")))
        if kind == "InferenceService":
            yield from _kubernetes(_as_pod(document))
    else:
        yield from _kubernetes({**document, "kind": kind, "apiVersion": version})


def _kubernetes(document: Document) -> Iterator[str]:
    try:
        import kubernetes_validate as official
    except ImportError:
        raise UsageError(f"checking needs kubernetes-validate; {_INSTALL}") from None
    try:
        official.validate(document, KUBERNETES_VERSION, strict=True)
    except official.SchemaNotFoundError:
        yield f"there is no schema for {document['kind']} of {document['apiVersion']}"
    except official.ValidationError as error:
        yield f"{document['kind']}: {error.message}"


def _refused(kind: str, document: Document, schema: Document) -> Iterator[str]:
    try:
        from jsonschema_rs import Draft202012Validator
    except ImportError:
        raise UsageError(f"checking needs jsonschema-rs; {_INSTALL}") from None
    for error in Draft202012Validator(schema).iter_errors(document):
        where = "/".join(map(str, error.instance_path))
        yield f"{kind} {where}: {error.message}"


def _compose_schema() -> Document:
    try:
        text = resources.files("check_jsonschema.builtin_schemas.vendor").joinpath(
            "compose-spec.json"
        )
        schema: Document = json.loads(text.read_text(encoding="utf-8"))
    except (ImportError, OSError):
        raise UsageError(f"checking needs check-jsonschema; {_INSTALL}") from None
    return schema


def _as_pod(service: Document) -> Document:
    """KServe's predictor takes a pod's containers and volumes as they are."""
    predictor = service["spec"]["predictor"]
    spec = {name: predictor[name] for name in ("containers", "volumes") if name in predictor}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "predictor"}, "spec": spec}
