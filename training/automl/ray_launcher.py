"""Trials on the nodes of a Ray cluster: `--launcher ray`.

A trial is an actor that holds cores and GPUs of one node and runs there the very process that would
run here. The lifeline holds too: the actor has the process's standard input, so that a trial ends
with its actor, and an actor ends with its controller. A trial of several nodes is a placement group
with one such actor per node; the processes find each other as under torchrun.
"""

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError
from ray.util.placement_group import placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from training.automl.launcher import TRIAL, Handle, SubprocessLauncher
from training.automl.ray_cluster import ROOT, Share
from training.automl.slots import Slot

_OTHERS_SECONDS = 10.0  # for the other nodes' processes to end by themselves once one has failed
_KILL_SECONDS = 2.0  # for an actor to kill its process, before the actor itself is killed


class RayLauncher:
    """Starts `command` on nodes of the cluster that this process is connected to."""

    def __init__(self, share: Share, *, nodes: int = 1, command: Sequence[str] = TRIAL) -> None:
        """`share` is what a trial gets of each of its `nodes`."""
        self._share = share
        self._nodes = nodes
        self._command = tuple(command[1:])  # each node has a Python of its own

    def slots(self, count: int) -> list[Slot]:
        """So many trials at once; what does not fit into the cluster waits for its turn."""
        return [Slot(index, (), self._share.cores) for index in range(count)]

    def start(self, folder: Path, slot: Slot, *, seconds: float) -> Handle:
        """Ask for the trial; it begins when there is room."""
        group = self._group()
        actors = [self._actor(group, place) for place in range(self._nodes)]
        address = actors[0].address.remote() if self._nodes > 1 else None
        work = (self._command, str(folder.absolute()), slot, seconds)
        results = [actor.run.remote(*work, address, place) for place, actor in enumerate(actors)]
        return _OnNodes(folder, actors, results, group)

    def _group(self) -> Any:
        if self._nodes == 1:
            return None
        bundle = {"CPU": self._share.cores, "GPU": self._share.gpus}
        wanted = {name: amount for name, amount in bundle.items() if amount}
        return placement_group([wanted] * self._nodes, strategy="STRICT_SPREAD")

    def _actor(self, group: Any, place: int) -> Any:
        strategy = PlacementGroupSchedulingStrategy(group, place) if group else "DEFAULT"
        kind = ray.remote(NodeProcess).options(
            num_cpus=self._share.cores,
            num_gpus=self._share.gpus,
            max_concurrency=3,  # one thread runs, the others listen
            scheduling_strategy=strategy,
        )
        return kind.remote()


class NodeProcess:
    """A trial's process on one node; lives in a Ray actor."""

    def __init__(self) -> None:
        os.chdir(ROOT)
        self._handle: Handle | None = None
        self._is_stopped = False

    def address(self) -> tuple[str, int]:
        """Where the processes of a trial meet: this node, and a port that is free now."""
        from lightning.fabric.plugins.environments.lightning import find_free_network_port

        return ray.util.get_node_ip_address(), find_free_network_port()

    def run(
        self,
        command: Sequence[str],
        folder: str,
        slot: Slot,
        seconds: float,
        address: tuple[str, int] | None,
        place: int,
    ) -> int:
        """Run the trial's process to its end and return its exit code."""
        here = (sys.executable, *command)
        launcher = SubprocessLauncher(here, variables=_variables(address, place))
        if self._is_stopped:
            return 130
        self._handle = handle = launcher.start(Path(folder), slot, seconds=seconds)
        if self._is_stopped:
            handle.stop()
        while (code := handle.exit_code()) is None:
            time.sleep(0.05)
        return code

    def stop(self) -> None:
        """Ask the process to save and end, or not to begin."""
        self._is_stopped = True
        if self._handle is not None:
            self._handle.stop()

    def kill(self) -> None:
        """End the process at once."""
        self._is_stopped = True
        if self._handle is not None:
            self._handle.kill()


def _variables(address: tuple[str, int] | None, place: int) -> Mapping[str, str]:
    """How processes on several nodes find each other; see training.distributed."""
    if address is None:
        return {}
    host, port = address
    return {"MASTER_ADDR": host, "MASTER_PORT": str(port), "NODE_RANK": str(place)}


class _OnNodes:
    """A trial on one or several nodes: when one process has failed, all end."""

    def __init__(self, folder: Path, actors: list[Any], results: list[Any], group: Any) -> None:
        self._folder = folder
        self._actors = actors
        self._results = results
        self._group = group
        self._code: int | None = None  # of the first that failed
        self._failed_at = 0.0
        self._killed_at: float | None = None

    def exit_code(self) -> int | None:
        """0 once all have ended well; the code of the first that did not, once all have ended."""
        ready, running = ray.wait(self._results, num_returns=len(self._results), timeout=0)
        codes = [self._code_of(result) for result in ready]
        if self._code is None and any(codes):
            self._code, self._failed_at = min(codes), time.monotonic()
        if running:
            if self._code is not None and time.monotonic() > self._failed_at + _OTHERS_SECONDS:
                self.kill()
            return None
        self._give_back()
        return self._code or 0

    def stop(self) -> None:
        """Ask all to save and end."""
        for actor in self._actors:
            actor.stop.remote()

    def kill(self) -> None:
        """End all at once, at the second call also what has not begun."""
        if self._killed_at is None:
            self._killed_at = time.monotonic()
            for actor in self._actors:
                actor.kill.remote()
        elif time.monotonic() > self._killed_at + _KILL_SECONDS:
            self._give_back()

    def _give_back(self) -> None:
        for actor in self._actors:
            ray.kill(actor)
        if self._group is not None:
            remove_placement_group(self._group)

    def _code_of(self, result: Any) -> int:
        """An exit code; a lost actor, or node, is as a killed process."""
        try:
            return int(ray.get(result))
        except RayActorError:
            return -signal.SIGKILL
        except RayError as error:  # raised in the actor: it could not start the process
            line = str(error).strip().splitlines()[-1]
            with (self._folder / "stderr.txt").open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")
            return 1
