"""The files of a completed trial as Azure lays them out, linked together in a folder."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from inference.files import read_json
from inference.model_folder import FACTS_FILE, ONNX_FILE, WEIGHTS_FILE
from inference.types import Task
from training.mlflow_files import write_mlflow_files
from training.runs import Trial

_MODEL, _PARTS = "outputs/mlflow-model", "artifacts"


@contextmanager
def azure_layout(trial: Trial) -> Iterator[Path]:
    """Yield a folder of train_artifacts/ and outputs/; big files are links into the model folder.

    outputs/mlflow-model/ is an MLflow model, and outputs/mlflow-model/artifacts/ a model folder.
    """
    with TemporaryDirectory() as name:
        root = Path(name)
        parts, train = root / _MODEL / _PARTS, root / "train_artifacts"
        parts.mkdir(parents=True)
        train.mkdir()
        for file in trial.model.iterdir():
            (parts / file.name).symlink_to(file.absolute())
        task = Task(read_json(trial.model / FACTS_FILE)["task"])
        write_mlflow_files(root / _MODEL, task, data=_PARTS)
        (root / "outputs" / WEIGHTS_FILE).symlink_to((trial.model / WEIGHTS_FILE).absolute())
        if (trial.model / ONNX_FILE).exists():  # some networks have no graph
            (train / ONNX_FILE).symlink_to((trial.model / ONNX_FILE).absolute())
        evaluation = read_json(trial.path / "evaluation.json")
        _write(train / "labels.json", evaluation["labels"])
        _write(train / "per_label_metrics.json", evaluation["per_label"])
        yield root


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
