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
        ({"img_size": 640}, r"img_size is a hyperparameter of image_object_detection"),
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


@pytest.mark.parametrize(
    ("task", "given", "expected"),
    [
        (
            Task.DETECTION,
            {},
            {
                "model_name": "yolov5",
                "model_size": "medium",
                "training_batch_size": 16,
                "learning_rate": 0.01,
                "number_of_epochs": 30,
                "box_score_threshold": 0.1,
                "image_size": 640,
            },
        ),
        (
            Task.DETECTION,
            {"model_name": "fasterrcnn_resnet50_fpn"},
            {
                "training_batch_size": 2,
                "validation_batch_size": 1,
                "learning_rate": 0.005,
                "number_of_epochs": 15,
                "number_of_workers": 4,
                "box_score_threshold": 0.3,
                "nms_iou_threshold": 0.5,
                "box_detections_per_image": 100,
                "min_size": 600,
                "max_size": 1333,
                "validation_metric_type": "voc",
                "tile_overlap_ratio": 0.25,
                "tile_predictions_nms_threshold": 0.25,
            },
        ),
        (
            Task.SEGMENTATION,
            {},
            {
                "model_name": "maskrcnn_resnet50_fpn",
                "training_batch_size": 2,
                "learning_rate": 0.005,
                "mask_pixel_score_threshold": 0.5,
                "max_number_of_polygon_points": 100,
                "export_as_image": False,
                "image_type": "JPG",
            },
        ),
    ],
)
def test_detectors_have_azures_defaults(task, given, expected):
    values = resolve(given, task=task).model_dump()
    assert {name: values[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model_name": "resnet18"}, "resnet18 is a model for .*not for image_object_detection"),
        ({"model_name": "fasterrcnn_resnet5_fpn"}, "did you mean 'fasterrcnn_resnet50_fpn'"),
        ({"model_name": "yolov5", "min_size": 600}, "min_size is not a hyperparameter of yolov5"),
        ({"model_name": "d_fine", "model_size": "nano"}, "model_size is not a .* of d_fine"),
        ({"model_name": "retinanet_resnet50_fpn", "rois_per_image": 64}, "not a .* of retinanet"),
        ({"training_crop_size": 64}, "training_crop_size is a hyperparameter of image_class"),
        ({"tile_grid_size": "0x0"}, "tile_grid_size: .*got '0x0'"),
        ({"tile_grid_size": 0}, 'tile_grid_size: must be "none".*"3x2".*got 0'),
        ({"tile_overlap_ratio": 1}, "tile_overlap_ratio: .*less than 1"),
        ({"box_score_thresh": 1.5}, "box_score_threshold: .*got 1.5"),
        ({"model_size": "tiny"}, "model_size: .*'nano'"),
        ({"image_size": 100}, "image_size: .*multiple of 32"),
        (
            {"model_name": "fasterrcnn_resnet18_fpn", "min_size": 900, "max_size": 800},
            r"max_size must be at least min_size \(900\), got 800",
        ),
        ({"layers_to_freeze": 11}, r"layers_to_freeze must be 0…10 for yolov5, got 11"),
    ],
)
def test_mistakes_about_detectors_name_the_hyperparameter(given, message):
    with pytest.raises(UsageError, match=message):
        resolve(given, task=Task.DETECTION)


def test_both_vocabularies_and_azures_spellings_are_read():
    values = resolve(
        {"img_size": "320", "model_size": "ExtraLarge", "box_iou_thresh": 0.4, "multi_scale": 1},
        task=Task.DETECTION,
    ).model_dump()
    assert values["image_size"] == 320
    assert values["model_size"] == "extra_large"
    assert values["nms_iou_threshold"] == 0.4
    assert values["multi_scale"] is True
