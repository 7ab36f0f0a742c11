import time

import lightning
import pytest
import torch
from torch.utils.data import DataLoader

from training.callbacks import EarlyStopping, EpochLog
from training.metrics_file import MetricsFile


def evaluations_until_stop(values, *, patience, delay):
    stopping = EarlyStopping("accuracy", patience=patience, delay=delay)
    for count, value in enumerate(values, start=1):
        stopping.update(value)
        if stopping.is_over():
            return count
    return None


@pytest.mark.parametrize(
    ("values", "patience", "delay", "expected"),
    [
        ([], 1, 0, None),
        ([0.1, 0.2, 0.3, 0.4], 1, 0, None),  # always better
        ([0.5, 0.4, 0.3], 2, 0, 3),
        ([0.5, 0.4, 0.6, 0.5, 0.5], 2, 0, 5),  # an improvement starts the count again
        ([0.5, 0.5, 0.5], 2, 0, 3),  # equal is not better
        ([0.5, 0.4, 0.3, 0.2, 0.1], 2, 3, 5),  # the first three do not count
        ([0.0, 0.0, 0.0, 0.0], 1, 0, None),  # it has not begun to learn
        ([0.0, 0.0, 0.1, 0.1, 0.0], 2, 0, 5),
    ],
)
def test_early_stopping_counts_evaluations_without_improvement(values, patience, delay, expected):
    assert evaluations_until_stop(values, patience=patience, delay=delay) == expected


def test_early_stopping_goes_on_counting_after_a_restart():
    before = EarlyStopping("accuracy", patience=3, delay=0)
    for value in (0.5, 0.4, 0.4):
        before.update(value)
    after = EarlyStopping("accuracy", patience=3, delay=0)
    after.load_state_dict(before.state_dict())
    after.update(0.4)
    assert after.is_over()


class Line(lightning.LightningModule):
    """Learns one number."""

    def __init__(self):
        super().__init__()
        self.value = torch.nn.Parameter(torch.zeros(1))

    def training_step(self, batch, _):
        time.sleep(0.02)
        loss = (batch - self.value).square().mean()
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Images(list):
    """Numbers that take their time."""

    def __init__(self, seconds):
        super().__init__([1.0, 2.0, 3.0, 4.0])
        self.seconds = seconds

    def __getitem__(self, place):
        time.sleep(self.seconds)
        return super().__getitem__(place)


@pytest.mark.filterwarnings("ignore:.*(LeafSpec|many workers|logging interval)")
@pytest.mark.parametrize(("seconds", "says_so"), [(0.0, False), (0.05, True)])
def test_an_epoch_that_waits_for_its_images_says_so(tmp_path, listen, seconds, says_so):
    said = listen("training.callbacks")
    log = EpochLog(tmp_path / "metrics.jsonl", primary_metric="accuracy", hidden=set())
    lightning.Trainer(
        max_epochs=1, callbacks=[log], logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, accelerator="cpu",
    ).fit(Line(), DataLoader(Images(seconds), batch_size=2))  # fmt: skip
    (row,) = MetricsFile(tmp_path / "metrics.jsonl").rows()
    assert 4 * seconds <= row["data_seconds"] < row["seconds"]
    (record,) = said
    starved = "of it waiting for images: see number_of_workers" in record.message
    assert starved is says_so
