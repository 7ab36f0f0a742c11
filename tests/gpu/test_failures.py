"""A full GPU makes batches smaller, and a dead one ends the predictor."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from inference.predictor import Predictor
from tests.e2e.commands import ROOT
from tests.inference.images import encoded
from tests.model_folders import write_model_folder

pytestmark = pytest.mark.gpu


def test_a_batch_too_large_for_the_memory_is_halved(tmp_path: Path) -> None:
    folder = write_model_folder(tmp_path, resize_size=512, crop_size=512, image_size=512)
    photos = [encoded(seed) for seed in range(4)] * 24
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(1.5 * 2**30 / total)
    try:
        with Predictor(folder, device="cuda", max_batch=64, max_queue=128) as predictor:
            futures = predictor.submit(photos)
            found = [future.result() for future in futures]
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()
    sizes = {one.batch_size for one in found}
    assert max(sizes) < 64
    with Predictor(folder, device="cpu") as predictor:
        expected = predictor.score_all(photos[:4])
    for i, one in enumerate(found):
        assert abs(one.value.probs - expected[i % 4].probs).max() < 1e-4


DEAD = """
import sys
from pathlib import Path
import torch
from inference import engine
from inference.engine.torch_engine import TorchEngine
from inference.errors import DeviceLost
from inference.model_folder import IMAGENET, open_model_folder
from inference.predictor import Predictor

class Breaks(torch.nn.Module):
    calls = 0
    def forward(self, batch):
        Breaks.calls += 1
        rows = torch.full((len(batch),), 9 if Breaks.calls > 40 else 0, device=batch.device)
        return torch.eye(3, device=batch.device)[rows] + batch.mean() * 0

def load(folder, *, device, threads):
    return TorchEngine(Breaks(), device=device, preprocessing=IMAGENET)

sys.modules["breaking"] = sys.modules["__main__"]
engine.ENGINES["torch"] = ("breaking", "load")
lost = []
photo = Path(sys.argv[2]).read_bytes()
predictor = Predictor(
    open_model_folder(Path(sys.argv[1])), device="cuda", on_device_lost=lambda: lost.append(1)
)
outcomes = []
for _ in range(100):
    try:
        outcomes.append(type(predictor.submit([photo])[0].exception()).__name__)
    except DeviceLost:
        outcomes.append("refused")
print(outcomes[0], sorted(set(outcomes)), len(lost))
"""


def test_a_dead_gpu_ends_the_predictor_once(tmp_path: Path) -> None:
    folder = write_model_folder(tmp_path / "model")
    (tmp_path / "photo.jpg").write_bytes(encoded(0))
    ran = subprocess.run(
        [sys.executable, "-c", DEAD, str(folder.path), str(tmp_path / "photo.jpg")],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ran.stdout == "NoneType ['DeviceLost', 'NoneType', 'refused'] 1\n", ran.stderr
