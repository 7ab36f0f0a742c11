"""Several processes that train one trial together: where each stands, and what they tell another.

One process per GPU, or as many as the job asks for on CPUs. torchrun or srun may have started them
all; else the first of a node starts the others of its node (see distributed_ranks).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, cast

import torch
import torch.distributed as dist
from lightning.fabric.plugins import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch.strategies import DDPStrategy
from torch import nn

from inference.errors import UsageError

T = TypeVar("T")
R = TypeVar("R")
Starter = Literal["ours", "torchrun", "slurm"]
_LOST = ("Connection closed by peer", "Connection reset by peer", "Broken pipe")


@dataclass(frozen=True, slots=True)
class Place:
    """One process among the `world` of a trial.

    rank: its number among all; rank 0 writes the files. local_rank: its number among the
    `per_node` of its node. starter: who started the processes.
    """

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    per_node: int = 1
    starter: Starter = "ours"

    def cluster(self) -> ClusterEnvironment:
        """The same, as Lightning wants to be told."""
        if self.starter == "torchrun":
            return TorchElasticEnvironment()
        if self.starter == "slurm":
            return SLURMEnvironment(auto_requeue=False)
        return LightningEnvironment()


ALONE = Place()


def place_of(environment: Mapping[str, str], *, nodes: int = 1, per_node: int = 1) -> Place:
    """Where the process with these variables stands; torchrun and srun know the numbers better.

    Raises UsageError when several nodes are wanted and nothing has started a process on each.
    """

    def get(name: str, default: int) -> int:
        return int(environment.get(name, default))

    if "TORCHELASTIC_RUN_ID" in environment:
        return Place(
            get("RANK", 0),
            get("WORLD_SIZE", 1),
            get("LOCAL_RANK", 0),
            get("LOCAL_WORLD_SIZE", 1),
            "torchrun",
        )
    if "NODE_RANK" not in environment and get("SLURM_STEP_NUM_TASKS", 1) > 1:
        tasks = get("SLURM_STEP_NUM_TASKS", 1)
        on_node = tasks // get("SLURM_STEP_NUM_NODES", 1)
        return Place(get("SLURM_PROCID", 0), tasks, get("SLURM_LOCALID", 0), on_node, "slurm")
    if nodes > 1 and "NODE_RANK" not in environment:
        raise UsageError(
            f"node_count_per_trial is {nodes}: a process must be started on each node, by "
            "--launcher ray, torchrun or srun (docs/scale.md)"
        )
    local = get("LOCAL_RANK", 0)
    return Place(get("NODE_RANK", 0) * per_node + local, nodes * per_node, local, per_node)


def processes_per_node(
    wanted: int | None, *, distributed: bool, nodes: int, gpus: int, images: int
) -> int:
    """How many processes train on each node.

    One per visible GPU unless the job says otherwise, but on one node no more than `images`, of
    which each must have one. Raises UsageError for what cannot be.
    """
    if not distributed:
        if nodes > 1 or (wanted or 1) > 1:
            raise UsageError(
                f"distributed is false, but node_count_per_trial is {nodes} and processes_per_node "
                f"{wanted or 1}; leave distributed out"
            )
        return 1
    if gpus and wanted is not None and wanted > gpus:
        raise UsageError(f"processes_per_node is {wanted}, but this node shows {gpus} GPUs")
    count = wanted or max(1, gpus)
    if nodes > 1 and nodes * count > images:
        raise UsageError(
            f"{images} validation images cannot be shared by {nodes * count} processes; lower "
            "node_count_per_trial or processes_per_node"
        )
    return min(count, images)


class UnevenDDP(DDPStrategy):
    """DDP whose processes may validate different numbers of batches.

    DistributedDataParallel sends buffers around in every forward pass and would wait for passes
    that other processes do not make; here the network is called directly (see share_buffers).
    """

    def __init__(self, **options: Any) -> None:
        # Detectors leave heads unused on images without objects, some backbones their last layers.
        super().__init__(find_unused_parameters=True, **options)

    def validation_step(self, *args: Any, **kwargs: Any) -> Any:
        """Validate one batch of this process's own."""
        if self.lightning_module is None:
            raise RuntimeError("the strategy is not connected to a module")
        with self.precision_plugin.val_step_context():
            return self.lightning_module.validation_step(*args, **kwargs)


def share_buffers(network: nn.Module) -> None:
    """Give all processes the first one's buffers, the statistics of BatchNorm among them."""
    if dist.is_initialized():
        for buffer in network.buffers():
            dist.broadcast(buffer, src=0)


def together(mine: Sequence[T], judge: Callable[[Sequence[T]], R]) -> R:
    """Collect what every process has at the first one, judge it there, and tell all the result.

    Process r holds the items r, r + world, r + 2 world …; `judge` sees all of them in order.
    """
    if not dist.is_initialized():
        return judge(mine)
    group: Any = dist.new_group(backend="gloo")  # main memory, also where gradients go by NCCL
    is_first = dist.get_rank() == 0
    parts: list[Any] = [None] * dist.get_world_size()
    dist.gather_object(mine, parts if is_first else None, dst=0, group=group)
    result = [judge(in_order(parts)) if is_first else None]
    dist.broadcast_object_list(result, src=0, group=group)
    dist.destroy_process_group(group)
    return cast(R, result[0])  # the first one's, now everybody's


def in_order(parts: Sequence[Sequence[T]]) -> list[T]:
    """Undo the dealing of items to processes in turn."""
    whole: list[Any] = [None] * sum(map(len, parts))
    for index, part in enumerate(parts):
        whole[index :: len(parts)] = part
    return whole


def part() -> None:
    """Wait until all processes are here, and end what joins them."""
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()


def is_loss_of_another(error: BaseException) -> bool:
    """Whether an error says that another process has gone, not what is wrong here."""
    return isinstance(error, dist.DistError) or any(text in str(error) for text in _LOST)


def threads_each(processes: int) -> int:
    """A process's share of the threads that this process may use."""
    return max(1, torch.get_num_threads() // processes)
