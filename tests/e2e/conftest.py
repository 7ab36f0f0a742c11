from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.e2e.browsers import running_browser
from tests.e2e.commands import run
from tests.e2e.jobs import SIZE, write_job
from training.data.synthetic import write_classification_dataset


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_classification_dataset(
        folder, images_per_class=8, validation_per_class=3, size_hw=(SIZE, SIZE), seed=5
    )
    return folder


@pytest.fixture(scope="session")
def runs(data, tmp_path_factory) -> Path:
    """A runs folder with one completed run, small/whole."""
    folder = tmp_path_factory.mktemp("runs")
    job = write_job(folder / "job.yml", data)
    done = run("-m", "training", "run", job, "--set", "name=whole", "--runs", folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser
