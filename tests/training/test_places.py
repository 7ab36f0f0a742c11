"""Who is who among the processes of a trial, and who takes which images."""

import pytest

from inference.errors import UsageError
from training.data.datasets import InOrder, Share, Shuffled
from training.distributed import Place, in_order, place_of, processes_per_node
from training.job import read_job


@pytest.mark.parametrize(
    ("environment", "nodes", "per_node", "place"),
    [
        ({}, 1, 1, Place()),
        ({}, 1, 4, Place(0, 4, 0, 4)),
        ({"NODE_RANK": "0", "LOCAL_RANK": "3"}, 1, 4, Place(3, 4, 3, 4)),
        ({"NODE_RANK": "1"}, 2, 4, Place(4, 8, 0, 4)),
        ({"NODE_RANK": "1", "LOCAL_RANK": "2"}, 2, 4, Place(6, 8, 2, 4)),
        (
            {"TORCHELASTIC_RUN_ID": "x", "RANK": "5", "WORLD_SIZE": "6", "LOCAL_RANK": "2",
             "LOCAL_WORLD_SIZE": "3", "GROUP_RANK": "1"},
            1, 1, Place(5, 6, 2, 3, "torchrun"),
        ),
        (
            {"SLURM_STEP_NUM_TASKS": "8", "SLURM_STEP_NUM_NODES": "2", "SLURM_PROCID": "7",
             "SLURM_LOCALID": "3", "SLURM_NTASKS": "8"},
            2, 1, Place(7, 8, 3, 4, "slurm"),
        ),
        # A batch script without srun, and what runs below one that has tasks of its own.
        ({"SLURM_NTASKS": "8", "SLURM_PROCID": "0"}, 1, 1, Place()),
        ({"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1", "NODE_RANK": "0"}, 2, 1, Place(0, 2)),
    ],
)  # fmt: skip
def test_places(environment, nodes, per_node, place):
    assert place_of(environment, nodes=nodes, per_node=per_node) == place


def test_several_nodes_need_somebody_who_starts_them():
    with pytest.raises(UsageError, match=r"node_count_per_trial is 2: .*--launcher ray, torchrun"):
        place_of({}, nodes=2)


@pytest.mark.parametrize(
    ("wanted", "distributed", "nodes", "gpus", "images", "expected"),
    [
        (None, True, 1, 0, 100, 1),  # a CPU
        (None, True, 1, 4, 100, 4),
        (None, True, 1, 4, 3, 3),  # every process has an image to validate
        (None, False, 1, 4, 100, 1),
        (2, True, 1, 0, 100, 2),
        (2, True, 1, 4, 100, 2),
        (2, True, 3, 0, 6, 2),
    ],
)
def test_processes_of_a_node(wanted, distributed, nodes, gpus, images, expected):
    count = processes_per_node(
        wanted, distributed=distributed, nodes=nodes, gpus=gpus, images=images
    )
    assert count == expected


@pytest.mark.parametrize(
    ("wanted", "distributed", "nodes", "gpus", "message"),
    [
        (None, False, 2, 0, "distributed is false, but node_count_per_trial is 2"),
        (2, False, 1, 0, "processes_per_node 2; leave distributed out"),
        (3, True, 1, 2, "processes_per_node is 3, but this node shows 2 GPUs"),
        (4, True, 2, 0, "7 validation images cannot be shared by 8 processes"),
    ],
)
def test_processes_that_cannot_be(wanted, distributed, nodes, gpus, message):
    with pytest.raises(UsageError, match=message):
        processes_per_node(wanted, distributed=distributed, nodes=nodes, gpus=gpus, images=7)


def job(tmp_path, properties):
    (tmp_path / "job.yml").write_text(
        "task: image_classification\ntraining_data: {path: table.jsonl}\n"
        f"properties: {properties}\n"
    )
    return read_job(tmp_path / "job.yml")


def test_a_job_says_how_many(tmp_path):
    read = job(tmp_path, '{node_count_per_trial: "2", processes_per_node: 4, owner: me}')
    assert read.properties.node_count_per_trial == 2
    assert read.properties.processes_per_node == 4
    assert read.ignored == ("properties.owner",)
    assert job(tmp_path, "{}").properties.node_count_per_trial == 1
    with pytest.raises(UsageError, match=r"properties\.node_count_per_trial: .* got '?0"):
        job(tmp_path, "{node_count_per_trial: 0}")


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("length", [7, 8, 20])
def test_shares_in_order_hold_every_image_once(length, count):
    parts = [list(InOrder(length, share=Share(i, count))) for i in range(count)]
    assert in_order(parts) == [(0, index) for index in range(length)]


def shuffled(length, batch_size, count, least=1, epoch=0):
    samplers = [
        Shuffled(length, batch_size=batch_size, seed=5, share=Share(i, count), least=least)
        for i in range(count)
    ]
    for sampler in samplers:
        sampler.set_epoch(epoch)
    parts = [[index for _, index in sampler] for sampler in samplers]
    assert [len(part) for part in parts] == [len(sampler) for sampler in samplers]
    return parts


@pytest.mark.parametrize(
    ("length", "batch_size", "count", "least", "used"),
    [
        (16, 4, 2, 2, 16),
        (19, 4, 2, 1, 19),  # the rest is divided 2 and 1
        (19, 4, 2, 2, 16),  # one would have a single image
        (17, 4, 2, 1, 16),  # one would have none
        (9, 8, 1, 2, 8),
        (9, 8, 1, 1, 9),
        (1, 8, 1, 2, 1),  # there is nothing else
        (3, 8, 2, 2, 3),
        (5, 1, 2, 2, 4),
    ],
)
def test_an_epoch_is_a_partition_in_equally_many_batches(length, batch_size, count, least, used):
    parts = shuffled(length, batch_size, count, least)
    taken = sorted(index for part in parts for index in part)
    assert len(taken) == len(set(taken)) == used
    assert len({-(-len(part) // batch_size) for part in parts}) == 1


def test_steps_are_those_of_one_process_with_the_whole_batch():
    (alone,), parts = shuffled(20, 8, 1), shuffled(20, 4, 2)
    for step in range(3):
        together = [index for part in parts for index in part[4 * step : 4 * step + 4]]
        assert set(together) == set(alone[8 * step : 8 * step + 8])


def test_every_epoch_has_an_order_of_its_own():
    assert shuffled(20, 4, 2, epoch=0) == shuffled(20, 4, 2, epoch=0)
    assert shuffled(20, 4, 2, epoch=0) != shuffled(20, 4, 2, epoch=1)


def test_too_few_images_are_refused():
    with pytest.raises(UsageError, match="3 images cannot be shared by 4 processes"):
        shuffled(3, 2, 4)
