"""Check rendered files, edited or not, against the official schemas."""

from deploy.commands.options import DEFAULT_OUTPUT, Output
from deploy.console import say
from deploy.errors import UsageError
from deploy.validation import check_file


def check(output: Output = DEFAULT_OUTPUT) -> None:
    """Check the folder's YAML files: Kubernetes in strict mode, Compose, Gateway API, KServe."""
    paths = sorted(output.glob("*.yaml"))
    if not paths:
        raise UsageError(f"{output} holds no YAML file; run `python -m deploy render` first")
    for path in paths:
        say(f"{path}: {check_file(path)} valid")
