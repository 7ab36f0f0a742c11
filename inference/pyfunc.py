"""The model folder as an MLflow python_function: one column `image` in, one row per image out."""

from pathlib import Path
from typing import Any

import orjson
import pandas as pd

from inference.model_folder import open_model_folder
from inference.predictor import Predictor
from inference.requests import decode_base64
from inference.responses import dump_json, result_body


class ImageModel:
    """What mlflow.pyfunc calls."""

    def __init__(self, folder: Path) -> None:
        self._predictor = Predictor(open_model_folder(folder), engine="torch", device="auto")

    def predict(self, frame: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Score the column `image`, base64 text or bytes; the columns of the answer are Azure's."""
        files = [_as_bytes(value) for value in frame["image"]]
        results = self._predictor.score_all(files)
        # through JSON, which turns the arrays inside into lists
        return pd.DataFrame([orjson.loads(dump_json(result_body(one))) for one in results])


def _as_bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else decode_base64(value)


def _load_pyfunc(path: str) -> ImageModel:
    """Load the model folder at `path`; the name is MLflow's."""
    return ImageModel(Path(path))
