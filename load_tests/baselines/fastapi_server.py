"""FastAPI on uvicorn, one image per run of the model: `python -m … PORT`.

FastAPI has no batching. The endpoint is a plain function, so that decoding and the model, which
both release the GIL, run on its thread pool beside the event loop.
"""

import sys
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from load_tests.baselines.model import WORKERS, Classifier


class ImageRequest(BaseModel):
    """The request's body."""

    image_base64: str


app = FastAPI()
classifier = Classifier.from_environment()


@app.get("/readyz")
def ready() -> str:
    """The model is loaded before the server listens."""
    return "ready"


@app.post("/score")
def score(request: ImageRequest) -> list[dict[str, Any]]:
    """Decode, run, answer."""
    probs = classifier.probabilities([classifier.crop(request.image_base64)])
    return [classifier.body(probs[0])]


if __name__ == "__main__":
    target = "load_tests.baselines.fastapi_server:app"
    uvicorn.run(target, port=int(sys.argv[1]), workers=WORKERS, log_level="warning")
