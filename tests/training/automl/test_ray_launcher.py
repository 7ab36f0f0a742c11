"""Trials on a real Ray cluster whose nodes are processes of this machine."""

import os
import threading
import time
from collections import Counter

import pytest

from inference.errors import UsageError
from tests.e2e.commands import run
from tests.training import tiny_trial
from tests.training.automl.fake_sweep import BASE, COMMAND, SPACE, Silent
from tests.training.automl.test_controller import completions, outcomes, trials_of, wait_until
from tests.training.test_distributed import (
    assert_metrics_are_those_of_one_process,
    column,
    make_run,
)
from training.automl.alone import run_alone
from training.automl.controller import Controller, Plan
from training.automl.launcher import SubprocessLauncher
from training.automl.launchers import open_launcher
from training.automl.proposals import Proposer
from training.automl.samplers import RandomSampler
from training.automl.spaces import parse_space
from training.metrics_file import MetricsFile
from training.runs import Run

TRIALS = 20


@pytest.mark.parametrize(
    ("cores", "gpus", "parts", "nodes", "share"),
    [
        ([4], [0], 2, 1, (2, 0)),
        ([4, 4, 4], [0, 0, 0], 4, 1, (3, 0)),
        ([4, 4], [0, 0], 100, 1, (1, 0)),  # they wait for their turn
        ([16, 16], [4, 4], 2, 1, (16, 4)),
        ([16, 16], [4, 4], 1, 2, (16, 4)),
        ([16, 16], [4, 4], 1, 1, (16, 4)),  # not more than a node has
        ([16, 16], [4, 2], 1, 2, (16, 2)),  # nodes alike
        ([8], [1], 3, 1, (2, 0.33)),  # one GPU for three
    ],
)
def test_a_cluster_is_divided(cores, gpus, parts, nodes, share):
    from training.automl.ray_cluster import Share, divide_cluster

    assert divide_cluster(cores, gpus, parts=parts, nodes=nodes) == Share(*share)


def test_too_few_nodes_are_refused():
    from training.automl.ray_cluster import divide_cluster

    with pytest.raises(UsageError, match="node_count_per_trial is 3, but the Ray cluster has 2"):
        divide_cluster([4, 4, 4], [1, 1, 0], parts=1, nodes=3)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"torch": "2.1"}, "Ray node 10.0.0.7 has torch 2.1, this machine 2.2; install the same"),
        ({"run": "missing"}, "does not see .*a folder that all nodes share"),
        ({"checkout": "missing"}, "has no checkout at"),
    ],
)
def test_nodes_that_differ_are_named(tmp_path, facts, message):
    from training.automl.ray_cluster import compare_nodes

    own = {"run": "there", "checkout": "there", "torch": "2.2"}
    compare_nodes("10.0.0.7", own, own, tmp_path)
    with pytest.raises(UsageError, match=message):
        compare_nodes("10.0.0.7", own | facts, own, tmp_path)


@pytest.mark.parametrize(
    ("name", "address", "message"),
    [
        ("rya", None, "unknown launcher 'rya'; did you mean 'ray'"),
        ("local", "10.0.0.1:6379", "--address belongs to --launcher ray"),
        ("ray", "127.0.0.1:1", r"no Ray cluster at 127.0.0.1:1 \(.*refused"),
        ("ray", "ray://head:10001", "must be HOST:PORT"),
        ("ray", "head", "must be HOST:PORT"),
    ],
)
def test_what_cannot_launch_is_one_line(name, address, message):
    with pytest.raises(UsageError, match=message):
        open_launcher(name, address=address)


@pytest.mark.slow
def test_a_missing_ray_is_one_line(tmp_path):
    (tmp_path / "ray.py").write_text("raise ImportError('No module named ray')")
    done = run(
        "-m", "training", "run", "job.yml", "--launcher", "ray", env={"PYTHONPATH": str(tmp_path)}
    )
    assert done.returncode == 2
    assert "pip install 'ray[default,train]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.fixture
def cluster():
    """A head without cores and three nodes of two cores."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray
    from ray.cluster_utils import Cluster

    memory = {"object_store_memory": 80 * 2**20}
    made = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "include_dashboard": False, **memory},
    )
    nodes = [made.add_node(num_cpus=2, **memory) for _ in range(3)]
    yield made, nodes
    ray.shutdown()
    made.shutdown()


def ray_sweep(folder, launcher, *, trials, slots, **values):
    return Controller(
        Run(folder),
        Plan("accuracy", {"task": "fake"}, trials, 1000.0, None, images=100),
        propose=Proposer(
            RandomSampler(parse_space(SPACE), 0), lambda drawn: {**BASE, **values, **drawn}
        ),
        launcher=launcher,
        slots=launcher.slots(slots),
        watcher=Silent(),
        poll_seconds=0.05,
    )


def lose(cluster, node, folder):
    """Kill a node while its trials run."""
    wait_until(lambda: len(completions(folder)) >= 4, seconds=120)
    cluster.remove_node(node, allow_graceful=False)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_a_trial_on_two_nodes_stops_and_goes_on(tmp_path, cluster):
    from training.automl.ray_cluster import connect, share_of
    from training.automl.ray_launcher import RayLauncher

    connect(cluster[0].address)
    launcher = RayLauncher(share_of(1, nodes=2), nodes=2, command=tiny_trial.COMMAND)
    trial = tiny_trial.new_trial(
        make_run(tmp_path / "run"),
        processes=1,
        nodes=2,
        number_of_epochs=60,
        training_batch_size=2,
        validation_batch_size=1,
    )
    handle = launcher.start(trial.path, *launcher.slots(1), seconds=600)
    wait_until(lambda: len(MetricsFile(trial.metrics).rows()) > 1, seconds=120)
    handle.stop()
    wait_until(lambda: handle.exit_code() is not None)
    assert handle.exit_code() == 130
    assert trial.status()["state"] == "stopped"
    assert run_alone(trial, launcher) == 0
    assert column(trial, "epoch") == list(range(60))
    assert column(trial, "step")[0] == 4  # 16 images, two on each of two nodes
    assert_metrics_are_those_of_one_process(trial)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_a_lost_node_loses_no_trial(tmp_path, cluster):
    from training.automl.ray_cluster import check_nodes, connect, share_of
    from training.automl.ray_launcher import RayLauncher

    made, nodes = cluster
    connect(made.address)
    check_nodes(tmp_path)
    assert share_of(6, nodes=1).cores == 1

    began = time.monotonic()
    local = ray_sweep(tmp_path / "local", SubprocessLauncher(COMMAND), trials=4, slots=1)
    assert local.run()
    alone = (time.monotonic() - began) / 4
    launcher = RayLauncher(share_of(6, nodes=1), command=COMMAND)
    began = time.monotonic()
    quick = ray_sweep(tmp_path / "quick", launcher, trials=4, slots=1)
    assert quick.run()
    overhead = (time.monotonic() - began) / 4 - alone
    assert overhead < 3, f"a trial costs {overhead:.2f} s more than on this machine alone"

    sweep = ray_sweep(tmp_path / "lost", launcher, trials=TRIALS, slots=6, epochs=20, sleep=0.2)
    killer = threading.Thread(target=lose, args=(made, nodes[1], tmp_path / "lost"))
    killer.start()
    assert sweep.run()
    killer.join()
    assert outcomes(tmp_path / "lost") == {"completed": TRIALS}
    assert completions(tmp_path / "lost") == [1] * TRIALS
    events = Counter(event["event"] for event in Run(tmp_path / "lost").events())
    assert events["ended"] == TRIALS
    assert events["restarted"] >= 1
    assert {len(record.reports) for record in sweep.records} == {20}
    assert trials_of(tmp_path) == []
