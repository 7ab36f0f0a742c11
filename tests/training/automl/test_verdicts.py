import pytest

from training.automl.records import TrialRecord
from training.automl.slots import Slot, divide, visible_devices
from training.automl.smaller import smaller_batch
from training.automl.verdicts import judge
from training.runs import Trial

OOM = {"state": "failed", "error": "OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB"}
RUNNING = {"state": "running"}
WORKER = {"state": "failed", "error": "RuntimeError: DataLoader worker (pid 7) is killed by signal"}


@pytest.mark.parametrize(
    ("status", "code", "facts", "expected"),
    [
        ({"state": "completed"}, 0, {}, ("end", "completed")),
        ({"state": "completed"}, -9, {"asked": "policy"}, ("end", "completed")),  # it was faster
        ({"state": "stopped"}, 130, {"asked": "policy"}, ("end", "terminated")),
        ({"state": "stopped"}, 130, {"asked": "timeout"}, ("end", "cancelled")),
        ({"state": "stopped"}, 130, {"asked": "user"}, ("leave", None)),
        (RUNNING, -9, {"asked": "user"}, ("leave", None)),
        ({"state": "failed", "error": "UsageError: x"}, 2, {}, ("end", "failed")),
        (OOM, 1, {}, ("smaller", None)),
        ({"state": "failed", "error": "MemoryError: "}, 1, {}, ("smaller", None)),
        (OOM, 1, {"batch_size": 1}, ("end", "failed")),
        (RUNNING, -9, {}, ("restart", None)),  # by anybody
        (RUNNING, -9, {"kernel_killed": True}, ("smaller", None)),
        (RUNNING, -9, {"kernel_killed": True, "batch_size": 1}, ("end", "failed")),
        (RUNNING, -11, {"restarts": 2}, ("restart", None)),
        (RUNNING, -11, {"restarts": 3}, ("end", "failed")),
        ({"state": "stopped"}, 130, {}, ("restart", None)),  # somebody stopped it behind our back
        ({"state": "starting"}, 1, {}, ("end", "failed")),  # it could not even begin
        (WORKER, 1, {}, ("restart", None)),
        (WORKER, 1, {"kernel_killed": True}, ("smaller", None)),
    ],
)
def test_verdicts(status, code, facts, expected):
    usual = {"asked": "", "restarts": 0, "kernel_killed": False, "batch_size": 8, "last_words": ""}
    verdict = judge(status, code, **{**usual, **facts})
    assert (verdict.next, verdict.outcome) == expected


def test_what_a_process_said_last_is_the_reason():
    verdict = judge(
        {"state": "starting"}, 1, asked="", restarts=0, kernel_killed=False, batch_size=8,
        last_words="ModuleNotFoundError: torch",
    )  # fmt: skip
    assert verdict.reason == "ended with code 1: ModuleNotFoundError: torch"


@pytest.mark.parametrize(
    ("batch", "images", "smaller"), [(16, 100, 8), (5, 100, 2), (1, 100, 1), (78, 20, 10)]
)
def test_smaller_batches(batch, images, smaller):
    parameters = {
        "training_batch_size": batch,
        "validation_batch_size": 1,
        "gradient_accumulation_step": 3,
    }
    assert smaller_batch(parameters, images=images) == {
        "training_batch_size": smaller,
        "validation_batch_size": 1,
        "gradient_accumulation_step": 6,
    }


@pytest.mark.parametrize(
    ("count", "devices", "cores", "shares"),
    [
        (1, [], 8, [((), 8)]),
        (2, [], 8, [((), 4), ((), 4)]),
        (4, [], 2, [((), 1)] * 4),
        (1, ["0", "1"], 8, [(("0", "1"), 8)]),
        (2, ["0", "1", "2"], 8, [(("0", "2"), 4), (("1",), 4)]),
        (3, ["0", "1"], 6, [(("0",), 2), (("1",), 2), (("0",), 2)]),
    ],
)
def test_machines_are_divided(count, devices, cores, shares):
    slots = divide(count, devices=devices, cores=cores)
    assert [(slot.devices, slot.threads) for slot in slots] == shares


def test_a_slot_keeps_a_process_inside_its_share():
    assert Slot(0, ("2", "3"), 4).environment() == {
        "OMP_WAIT_POLICY": "PASSIVE",
        "OMP_NUM_THREADS": "4",
        "CUDA_VISIBLE_DEVICES": "2,3",
    }
    assert "CUDA_VISIBLE_DEVICES" not in Slot(0, (), 1).environment()


@pytest.mark.parametrize(
    ("environment", "found", "expected"),
    [
        ({}, 2, ["0", "1"]),
        ({"CUDA_VISIBLE_DEVICES": "3, 5"}, 2, ["3", "5"]),
        ({"CUDA_VISIBLE_DEVICES": ""}, 0, []),
    ],
)
def test_gpus_that_were_taken_away_stay_away(environment, found, expected):
    assert visible_devices(environment, found=found) == expected


def test_restarts_count_anew_after_progress(tmp_path):
    record = TrialRecord(Trial(tmp_path), "accuracy", {})
    counts = []
    for evaluations in (0, 0, 2, 2, 3):
        record.count_restart(evaluations)
        counts.append(record.restarts)
    assert counts == [1, 2, 1, 2, 1]
