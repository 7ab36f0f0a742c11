import pytest

from inference.errors import UsageError
from inference.types import Task
from training.hyperparameters import resolve


@pytest.mark.parametrize(
    ("task", "model", "learning_rate", "batch_size"),
    [
        (Task.CLASSIFICATION, "resnet18", 0.01, 78),
        (Task.CLASSIFICATION, "vitb16r224", 0.0125, 48),
        (Task.CLASSIFICATION, "vitl16r224", 0.001, 10),
        (Task.MULTILABEL, "resnet18", 0.035, 78),
        (Task.MULTILABEL, "vits16r224", 0.025, 128),
        (Task.MULTILABEL, "vitl16r224", 0.002, 10),
    ],
)
def test_defaults_are_azures(task, model, learning_rate, batch_size):
    values = resolve({"model_name": model}, task=task)
    assert (values.learning_rate, values.training_batch_size) == (learning_rate, batch_size)


def test_the_default_model_is_vitb16r224_with_pretrained_weights():
    values = resolve({}, task=Task.CLASSIFICATION)
    assert (values.model_name, values.pretrained, values.number_of_epochs) == (
        "vitb16r224",
        True,
        15,
    )


@pytest.mark.parametrize(
    ("given", "name", "expected"),
    [
        ({"amsgrad": 1}, "ams_gradient", True),
        ({"lr_scheduler": "Step"}, "learning_rate_scheduler", "step"),
        ({"learning_rate": "1e-2"}, "learning_rate", 0.01),
        ({"log_training_metrics": "Enable"}, "log_training_metrics", True),
        (
            {"advanced_settings": '{"apply_automl_train_augmentations": false}'},
            "apply_automl_train_augmentations",
            False,
        ),
    ],
)
def test_values_in_every_spelling(given, name, expected):
    values = resolve({"model_name": "resnet18", **given}, task=Task.CLASSIFICATION)
    assert getattr(values, name) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"learning_rte": 1}, "did you mean 'learning_rate'"),
        ({"tile_grid_size": "3x2"}, "is a hyperparameter of image_object_detection"),
        ({"learning_rate": 0}, "learning_rate: .*greater than 0, got 0"),
        ({"number_of_epochs": True}, "must be a number"),
        ({"valid_crop_size": 96, "validation_crop_size": 96}, "are the same; give one"),
        ({"validation_crop_size": 300}, "at most validation_resize_size"),
        ({"model_name": "vitb16r224", "training_crop_size": 192}, "must be equal"),
        (
            {"model_name": "vits16r224", "training_crop_size": 100, "validation_crop_size": 100},
            "multiples of 16",
        ),
        ({"layers_to_freeze": 6}, "layers_to_freeze must be 0…5 for resnet18"),
        ({"advanced_settings": "{"}, "not valid JSON"),
        ({"advanced_settings": "[1]"}, "must hold a JSON object"),
        ({"advanced_settings": '{"apply_mosaic": true}'}, "unknown key in advanced_settings"),
        ({"model_name": "resnet5"}, "model_name: unknown model family 'resnet5'; did you mean"),
        ({"img_size": 640}, r"img_size is a hyperparameter of image_object_detection \(yolov5\)"),
        ({"image_type": "jpg"}, "is a hyperparameter of image_instance_segmentation"),
        ({"optimizer": "lion"}, "optimizer: input should be 'sgd', 'adam' or 'adamw', got 'lion'"),
        ({"momentum": 1}, "momentum: .*less than 1, got 1"),
        ({"weighted_loss": 3}, "weighted_loss: .*less than or equal to 2, got 3"),
        ({"training_batch_size": 0}, "training_batch_size: .*greater than or equal to 1"),
        ({"learning_rate": "fast"}, "learning_rate: .*valid number.*got 'fast'"),
        ({"learning_rate": float("nan")}, "learning_rate: .*got nan"),
        ({"nesterov": "maybe"}, "nesterov: .*boolean.*got 'maybe'"),
        ({"validation_crop_size": 4}, "validation_crop_size: .*greater than or equal to 8"),
        ({"random_seed": -1}, "random_seed: .*greater than or equal to 0"),
    ],
)
def test_mistakes_name_the_hyperparameter(given, message):
    with pytest.raises(UsageError, match=message):
        resolve({"model_name": "resnet18", **given}, task=Task.CLASSIFICATION)


def test_a_given_value_wins_over_the_familys_default_and_that_over_the_tasks():
    given = {"model_name": "vits16r224", "learning_rate": 0.5}
    values = resolve(given, task=Task.CLASSIFICATION)
    assert (values.learning_rate, values.training_batch_size, values.momentum) == (0.5, 128, 0.9)


def test_a_vit_takes_other_sizes_than_224():
    sizes = {"training_crop_size": 96, "validation_crop_size": 96, "validation_resize_size": 112}
    values = resolve({"model_name": "vits16r224", **sizes}, task=Task.CLASSIFICATION)
    assert values.training_crop_size == values.validation_crop_size == 96


def test_what_was_resolved_resolves_to_itself():
    values = resolve({"model_name": "resnet18", "random_seed": 3}, task=Task.MULTILABEL)
    assert resolve(values.model_dump(mode="json"), task=Task.MULTILABEL) == values
