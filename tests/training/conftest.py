import json

import pytest
import torch


@pytest.fixture
def trial_of(tmp_path):
    """Write a trial's folder with a checkpoint, as training leaves it; gives the checkpoint."""

    def write(network, model_name, labels, folder=None):
        path = (folder or tmp_path / "trial") / "checkpoints" / "best.ckpt"
        path.parent.mkdir(parents=True)
        state = {f"network.{key}": value for key, value in network.state_dict().items()}
        torch.save({"state_dict": state}, path)
        stated = {"labels": labels, "parameters": {"model_name": model_name}}
        (path.parent.parent / "params.json").write_text(json.dumps(stated))
        return path

    return write
