"""What a trial's process trains with, read from the run's files, and the training itself."""

import os
from dataclasses import dataclass
from os import cpu_count
from typing import Any

import torch
from torch import nn

from inference.families import family_for
from inference.files import read_json
from inference.types import Task
from training.data.datasets import Share
from training.data.split_files import read_split
from training.distributed import Place, place_of, processes_per_node
from training.fit import fit
from training.hyperparameters import Hyperparameters, schema_for
from training.optimization import freeze_layers
from training.recipes import Recipe, TrialData, recipe_for
from training.runs import Run, Trial


@dataclass(frozen=True, slots=True)
class Setup:
    """stated: params.json. place: where this process stands among those of the trial."""

    stated: dict[str, Any]
    parameters: Hyperparameters
    recipe: Recipe
    place: Place


def read_setup(trial: Trial) -> Setup:
    """Read what a process needs; raises UsageError for processes that cannot be as wanted."""
    stated = read_json(trial.path / "params.json")
    data = _read_data(run_of(trial), stated)
    schema = schema_for(data.task, stated["parameters"]["model_name"])
    parameters = schema.model_validate(stated["parameters"])
    place = _place(stated, parameters, data)
    if place.per_node > 1:  # data workers are divided among the processes of a node
        workers = min(parameters.number_of_workers, max(1, (cpu_count() or 1) // place.per_node))
        parameters = parameters.model_copy(update={"number_of_workers": workers})
    return Setup(stated, parameters, recipe_for(data, parameters, seed=stated["seed"]), place)


def train(trial: Trial, setup: Setup, *, seconds: float) -> nn.Module:
    """Fill checkpoints/, from the last one on if there is one; return the network at the end."""
    recipe, parameters, place = setup.recipe, setup.parameters, setup.place
    torch.manual_seed(setup.stated["seed"])
    network = recipe.build(pretrained=parameters.pretrained, weights=parameters.weights)
    family = family_for(parameters.model_name, Task(setup.stated["task"]))
    freeze_layers(network, family, layers_to_freeze=parameters.layers_to_freeze)
    loaders = recipe.loaders(Share(place.rank, place.world))
    fit(
        recipe.module(network, batches_per_epoch=len(loaders[0])),
        loaders,
        parameters,
        folder=trial.path,
        primary_metric=setup.stated["primary_metric"],
        seconds=seconds,
        callbacks=recipe.callbacks(),
        clip_norm=recipe.clip_norm,
        place=place,
    )
    return network


def run_of(trial: Trial) -> Run:
    """The run that a trial belongs to."""
    return Run(trial.path.parent.parent)


def _place(stated: dict[str, Any], parameters: Hyperparameters, data: TrialData) -> Place:
    nodes = stated.get("node_count_per_trial", 1)  # not in runs of earlier versions
    per_node = processes_per_node(
        stated.get("processes_per_node"),
        distributed=parameters.distributed,
        nodes=nodes,
        gpus=torch.cuda.device_count(),
        images=min(len(data.train), len(data.validation)),
    )
    return place_of(os.environ, nodes=nodes, per_node=per_node)


def _read_data(run: Run, stated: dict[str, Any]) -> TrialData:
    return TrialData(
        task=Task(stated["task"]),
        labels=stated["labels"],
        train=read_split(run.path / "train.jsonl"),
        validation=read_split(run.path / "validation.jsonl"),
    )
