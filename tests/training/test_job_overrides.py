from pathlib import Path

import pytest

from inference.errors import UsageError
from training.job_overrides import with_override


@pytest.mark.parametrize(
    ("values", "text", "expected"),
    [
        ({}, "task=x", {"task": "x"}),
        ({}, "limits.max_trials=1", {"limits": {"max_trials": 1}}),
        ({"limits": None}, "limits.max_trials=1", {"limits": {"max_trials": 1}}),
        ({"sweep": {"a": 1}}, "sweep=null", {"sweep": None}),
        ({}, "tags={a: b}", {"tags": {"a": "b"}}),
        ({"search_space": [{"a": 1}]}, "search_space.0.a=2", {"search_space": [{"a": 2}]}),
        ({}, "number_of_epochs=3", {"training_parameters": {"number_of_epochs": 3}}),
        ({}, "training_parameters.amsgrad=1", {"training_parameters": {"ams_gradient": 1}}),
        (
            {"training_parameters": {"lr_scheduler": "step"}},
            "learning_rate_scheduler=warmup_cosine",
            {"training_parameters": {"learning_rate_scheduler": "warmup_cosine"}},
        ),
    ],
)
def test_a_value_is_set_and_the_argument_stays_as_it_was(values, text, expected):
    before = repr(values)
    assert with_override(values, text) == expected
    assert repr(values) == before


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("training_data=data", {"training_data": {"path": str(Path.cwd() / "data")}}),
        ("training_data.path=/data", {"training_data": {"path": "/data"}}),
        ("training_data.path=azureml:./d", {"training_data": {"path": "azureml:./d"}}),
        ("datastores.store=data", {"datastores": {"store": str(Path.cwd() / "data")}}),
        ("weights=a.pt", {"training_parameters": {"weights": str(Path.cwd() / "a.pt")}}),
    ],
)
def test_paths_on_the_command_line_are_relative_to_the_working_directory(text, expected):
    assert with_override({}, text) == expected


@pytest.mark.parametrize(
    ("values", "text", "message"),
    [
        ({}, "number_of_epochs", "takes key=value .*got 'number_of_epochs'"),
        ({}, "=3", "takes key=value"),
        ({}, "limits..max_trials=1", "takes key=value"),
        ({}, "number_of_epoch=3", "unknown key 'number_of_epoch'; did you mean 'number_of_epochs'"),
        ({}, "limit.max_trials=3", r"unknown key 'limit\.max_trials'"),
        ({}, "tags={a", "'{a' is not valid YAML"),
        ({"task": "x"}, "task.a=1", "'x' in the file has no key 'a'"),
    ],
)
def test_mistakes_say_what_is_expected(values, text, message):
    with pytest.raises(UsageError, match=message):
        with_override(values, text)
