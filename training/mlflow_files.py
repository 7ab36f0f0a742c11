"""The files that make a model folder an MLflow model too: mlflow.pyfunc.load_model works on it."""

import json
import platform
from importlib.metadata import version
from pathlib import Path

import yaml

from inference.files import write_text_atomically

# What inference/ imports to score with the torch engine.
_REQUIREMENTS = (
    "numpy", "pandas", "pillow", "pydantic", "safetensors", "timm", "torch", "torchvision",
)  # fmt: skip
_OUTPUTS = ("probs", "labels")


def write_mlflow_files(folder: Path) -> None:
    """Write MLmodel, python_env.yaml and requirements.txt into the model folder.

    The loader is inference.pyfunc, so a checkout must be on Python's path where it is loaded.
    """
    model = {
        "flavors": {
            "python_function": {
                "loader_module": "inference.pyfunc",
                "python_version": platform.python_version(),
                "env": {"virtualenv": "python_env.yaml"},
            }
        },
        "signature": {
            "inputs": json.dumps([{"name": "image", "type": "string", "required": True}]),
            "outputs": json.dumps([{"name": name, "type": "string"} for name in _OUTPUTS]),
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
