"""Launchers by name: where the trials of a run are to run."""

from collections.abc import Callable, Mapping

from inference.errors import UsageError
from inference.names import unknown_name
from training.automl.launcher import Launcher
from training.automl.resolved import read_resolved
from training.runs import Run

Launch = Callable[[Run], Launcher | None]  # None: processes of this machine


def open_launcher(name: str, *, address: str | None) -> Launch:
    """Look a launcher up and connect to what it needs; a run is given to it later.

    Raises UsageError for an unknown name, a package that is missing, and a cluster that is not
    there.
    """
    if name not in _LAUNCHERS:
        raise UsageError(unknown_name("launcher", name, _LAUNCHERS))
    return _LAUNCHERS[name](address)


def _local(address: str | None) -> Launch:
    if address is not None:
        raise UsageError("--address belongs to --launcher ray")

    def launch(run: Run) -> None:
        nodes = _nodes(run)
        if nodes > 1:
            raise UsageError(
                f"run {run.name} is prepared, but its trials take {nodes} nodes each: go on with "
                f"python -m training resume {run.name} --launcher ray, or start python -m "
                f"training.trial {run.path / 'trials' / '000'} on each by torchrun or srun "
                "(docs/scale.md)"
            )

    return launch


def _ray(address: str | None) -> Launch:
    try:
        from training.automl.ray_cluster import check_nodes, connect, share_of
        from training.automl.ray_launcher import RayLauncher
    except ImportError as error:
        raise UsageError(
            f"--launcher ray needs Ray, which cannot be imported ({error}): "
            "pip install 'ray[default,train]'"
        ) from None
    connect(address)

    def launch(run: Run) -> Launcher:
        limits, nodes = read_resolved(run)["limits"], _nodes(run)
        count = min(limits["max_concurrent_trials"], limits["max_trials"])
        check_nodes(run.path)
        return RayLauncher(share_of(count, nodes=nodes), nodes=nodes)

    return launch


_LAUNCHERS: Mapping[str, Callable[[str | None], Launch]] = {"local": _local, "ray": _ray}


def _nodes(run: Run) -> int:
    """Nodes per trial; runs of earlier versions do not say."""
    return int(read_resolved(run).get("properties", {}).get("node_count_per_trial", 1))
