import pytest

from inference.errors import UsageError
from training.data.labels import parse_class, parse_classes


@pytest.mark.parametrize(
    ("value", "expected"),
    [("cat", "cat"), (3, "3"), (3.0, "3"), (True, "true"), (" cat ", "cat")],
)
def test_a_class_is_a_name_and_a_number_is_one_too(value, expected):
    assert parse_class(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [([], ()), (["dog", "cat", "dog"], ("cat", "dog")), ("cat", ("cat",))],
)
def test_classes_are_sorted_and_each_there_once(value, expected):
    assert parse_classes(value) == expected


def test_a_list_in_a_multiclass_job_says_which_task_it_belongs_to():
    with pytest.raises(UsageError, match="image_classification_multilabel"):
        parse_class(["cat", "dog"])


@pytest.mark.parametrize("parse", [parse_class, parse_classes])
def test_boxes_in_a_classification_job_say_which_task_they_belong_to(parse):
    with pytest.raises(UsageError, match="image_object_detection"):
        parse([{"label": "cat", "topX": 0.1}])


@pytest.mark.parametrize("value", [None, "", float("nan")])
def test_what_is_no_label_is_a_bad_record(value):
    with pytest.raises(ValueError, match="label"):
        parse_class(value)
