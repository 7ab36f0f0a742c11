import pytest
from pydantic import BaseModel, ValidationError

from training.job_values import Flag, Integer, Number, canonical


class Values(BaseModel):
    flag: Flag = False
    integer: Integer = 0
    number: Number = 0.0


@pytest.mark.parametrize("value", ["iou", "IOU", "IoU", "i_o_u"])
def test_an_enum_value_is_known_in_every_case(value):
    assert canonical("metric", value, ["accuracy", "iou"]) == "iou"


def test_an_unknown_enum_value_lists_what_is_allowed():
    with pytest.raises(ValueError, match=r"unknown metric 'acuracy'; did you mean 'accuracy'\?"):
        canonical("metric", "acuracy", ["accuracy", "iou"])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        (0, False),
        (1, True),
        ("True", True),
        ("false", False),
        ("Enable", True),
        ("Disable", False),
        ("yes", True),
    ],
)
def test_flags(value, expected):
    assert Values.model_validate({"flag": value}).flag is expected


@pytest.mark.parametrize("value", [2, "maybe", [], 0.5])
def test_what_is_no_flag(value):
    with pytest.raises(ValidationError, match="boolean"):
        Values.model_validate({"flag": value})


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("integer", "15", 15),
        ("integer", 15.0, 15),
        ("number", "1e-3", 0.001),  # text in YAML 1.1
        ("number", 1, 1.0),
    ],
)
def test_numbers_may_be_text(name, value, expected):
    assert getattr(Values.model_validate({name: value}), name) == expected


@pytest.mark.parametrize(("name", "value"), [("integer", True), ("number", True), ("integer", 1.5)])
def test_what_is_no_number(name, value):
    with pytest.raises(ValidationError, match=r"number|integer"):
        Values.model_validate({name: value})
