import json
import math
from dataclasses import replace

import pytest

from inference.types import Task
from training.automl.automode import AutoSampler, facts_of, starts_from_weights
from training.automl.checks import check_space
from training.automl.portfolio import Facts, auto_plan
from training.automl.samplers import Observation
from training.automl.spaces import Point, parse_space
from training.data.records import Record
from training.hyperparameters import resolve

CPU = Facts(device_gb=0, pretrained=1, images=200, side_px=500, object_ratio=0.2)
SMALL_GPU = Facts(device_gb=2, pretrained=1, images=5000, side_px=500, object_ratio=0.2)
GPU = Facts(device_gb=24, pretrained=1, images=5000, side_px=500, object_ratio=0.2)
FROM_SCRATCH = replace(CPU, pretrained=0)
MACHINES = [CPU, SMALL_GPU, GPU, FROM_SCRATCH, replace(GPU, pretrained=0)]


def models(plan):
    return [space["model_name"] for space in plan.search_space]


@pytest.mark.parametrize(
    "facts", MACHINES, ids=["cpu", "small gpu", "gpu", "cpu, scratch", "gpu, scratch"]
)
@pytest.mark.parametrize("task", list(Task))
def test_every_trial_of_the_portfolio_is_valid_and_lies_in_its_space(task, facts):
    plan = auto_plan(task, facts, {})
    space = parse_space(plan.search_space)
    check_space(space, {}, task=task)
    assert plan.points
    assert len(plan.points) == len({json.dumps(point) for point in plan.points})
    for chosen, values in plan.points:
        resolve(values, task=task)
        for name, one in space[chosen].items():
            assert one.at(one.position(values[name])) == pytest.approx(values[name])


@pytest.mark.parametrize("task", list(Task))
def test_a_cpu_tries_fewer_models_and_a_small_gpu_the_smallest(task):
    assert set(models(auto_plan(task, CPU, {}))) < set(models(auto_plan(task, GPU, {})))
    assert len(models(auto_plan(task, SMALL_GPU, {}))) == 1


@pytest.mark.parametrize(
    ("facts", "epochs"),
    [(CPU, 30), (GPU, None), (replace(GPU, images=60_000), 10), (FROM_SCRATCH, 40)],
)
def test_epochs_follow_the_data(facts, epochs):
    for space in auto_plan(Task.CLASSIFICATION, facts, {}).search_space:
        assert space.get("number_of_epochs") == epochs


@pytest.mark.parametrize(
    ("device_gb", "pretrained", "ratio", "size"),
    [
        (24, 1, 0.2, None),
        (12, 1, 0.01, 960),
        (24, 1, 0.01, 1280),
        (0, 1, 0.2, 320),
        (0, 0, 0.2, 192),
        (0, 0, 0.05, 320),
        (0, 0, 0.01, 640),
    ],
)
def test_small_objects_get_larger_canvases(device_gb, pretrained, ratio, size):
    plan = auto_plan(Task.DETECTION, Facts(device_gb, pretrained, 5000, 500, ratio), {})
    (yolo,) = [space for space in plan.search_space if space["model_name"] == "yolov5"]
    assert yolo.get("image_size") == size
    assert "min_size" not in yolo


def test_what_a_job_fixes_is_not_searched():
    fixed = {"model_name": "resnet34", "learning_rate": 0.5}
    plan = auto_plan(Task.CLASSIFICATION, CPU, fixed)
    assert models(plan) == ["resnet34"]
    assert "learning_rate" not in plan.search_space[0]
    (point,) = plan.points
    assert resolve({**fixed, **point[1]}, task=Task.CLASSIFICATION).learning_rate == 0.5


def test_a_model_that_the_portfolio_does_not_know_is_searched_around_its_default():
    (space,) = auto_plan(Task.DETECTION, CPU, {"model_name": "rt_detr_v2"}).search_space
    low, high = (space["learning_rate"][bound] for bound in ("min_value", "max_value"))
    assert (low + high) / 2 == pytest.approx(math.log(1e-4))


def test_the_portfolio_comes_first_and_then_the_best_model():
    plan = auto_plan(Task.CLASSIFICATION, GPU, {})
    space = parse_space(plan.search_space)
    sampler = AutoSampler(space, tuple(Point(s, v) for s, v in plan.points), seed=0)
    seen, count = [], len(plan.points)
    for index in range(count):
        point = sampler.draw(index, seen)
        assert (point.space, point.values) == plan.points[index]
        seen.append(Observation(point, 0.9 if point.values["model_name"] == "resnet50" else 0.1))
    later = [sampler.draw(index, seen).values["model_name"] for index in range(count, count + 9)]
    assert later.count("resnet50") == 6
    assert sampler.draw(count, seen) == sampler.draw(count, seen)


def test_facts_of_data(tmp_path):
    sizes = [(100, 300), (400, 200), (50, 60), None]
    records = [Record(tmp_path, "a", "x:1", size_hw=size) for size in sizes]
    report = {"train": {"object_side_ratio": {"p10": 0.05, "p50": 0.3}}}
    assert facts_of(records, report, {}, device_gb=8) == Facts(8, 1, 4, 100.0, 0.05)
    assert facts_of(records, {"train": {}}, {}, device_gb=8).object_ratio == 1.0


@pytest.mark.parametrize(
    ("given", "start"),
    [
        ({}, 1),
        ({"pretrained": True}, 1),
        ({"pretrained": False}, 0),
        ({"pretrained": False, "weights": "model.safetensors"}, 1),
    ],
)
def test_a_start_at_random_is_known(given, start):
    assert starts_from_weights(given) == start


@pytest.mark.parametrize("task", list(Task))
def test_networks_that_start_at_random_are_not_frozen(task):
    for space in auto_plan(task, FROM_SCRATCH, {}).search_space:
        assert space.get("layers_to_freeze", 0) == 0
        assert space["optimizer"] == "adamw"
