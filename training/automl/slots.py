"""Slots: the shares of a machine that trials run on side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Slot:
    """One share. devices: what CUDA_VISIBLE_DEVICES names, empty without GPUs."""

    index: int
    devices: tuple[str, ...]
    threads: int

    def environment(self) -> dict[str, str]:
        """Variables that keep a process inside its share."""
        # Idle OpenMP threads would spin on the cores of data workers: eight times slower.
        variables = {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": str(self.threads)}
        if self.devices:
            variables["CUDA_VISIBLE_DEVICES"] = ",".join(self.devices)
        return variables


def divide(count: int, *, devices: Sequence[str], cores: int) -> list[Slot]:
    """Divide a machine into `count` slots.

    GPUs go round; where there are more slots than GPUs, several trials share one. Every slot has at
    least one thread.
    """
    threads = max(1, cores // count)
    if len(devices) >= count:
        shares = [tuple(devices[i::count]) for i in range(count)]
    else:
        shares = [tuple(devices[i % len(devices)] for _ in "1" if devices) for i in range(count)]
    return [Slot(i, share, threads) for i, share in enumerate(shares)]


def visible_devices(environment: Mapping[str, str], *, found: int) -> list[str]:
    """Names of the GPUs that this process may use; `found` is how many there are."""
    named = environment.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip()][:found]
    return [str(index) for index in range(found)]
