"""The files that make a model folder an MLflow model too: mlflow.pyfunc.load_model works on it."""

import json
import platform
from importlib.metadata import version
from pathlib import Path

import yaml

from inference.files import write_text_atomically
from inference.types import CLASSIFICATION_TASKS, Task

# What inference/ imports to score with the torch engine.
_REQUIREMENTS = (
    "numpy", "opencv-python-headless", "orjson", "pandas", "pillow", "pydantic", "safetensors",
    "timm", "torch", "torchvision", "transformers",
)  # fmt: skip


def write_mlflow_files(folder: Path, task: Task, *, data: str = ".") -> None:
    """Write MLmodel, python_env.yaml and requirements.txt into `folder`.

    `data` is where in it the model folder lies. The loader is inference.pyfunc, so a checkout must
    be on Python's path where it is loaded.
    """
    outputs = ("probs", "labels") if task in CLASSIFICATION_TASKS else ("boxes",)
    model = {
        "flavors": {
            "python_function": {
                "loader_module": "inference.pyfunc",
                "data": data,
                "python_version": platform.python_version(),
                "env": {"virtualenv": "python_env.yaml"},
            }
        },
        "signature": {
            "inputs": json.dumps([{"name": "image", "type": "string", "required": True}]),
            "outputs": json.dumps([{"name": name, "type": "string"} for name in outputs]),
        },
    }
    environment = {
        "python": platform.python_version(),
        "dependencies": ["-r requirements.txt"],
    }
    requirements = "".join(f"{name}=={version(name)}\n" for name in _REQUIREMENTS)
    write_text_atomically(folder / "MLmodel", yaml.safe_dump(model, sort_keys=False))
    write_text_atomically(folder / "python_env.yaml", yaml.safe_dump(environment, sort_keys=False))
    write_text_atomically(folder / "requirements.txt", requirements)
