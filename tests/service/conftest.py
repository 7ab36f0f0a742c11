from collections.abc import Iterator

import httpx
import pytest

from tests.model_folders import write_model_folder
from tests.service.servers import Server, running_server
from tests.service.stores import registered


@pytest.fixture(scope="session")
def tag_and_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Server]]:
    """One server with onnxruntime and a short queue; test_stop.py ends it, see below."""
    home = tmp_path_factory.mktemp("home")
    folder = write_model_folder(home / "model", onnx=True)
    tag = registered(folder.path, "tiny", home=home)
    arguments = (f"model={tag}", "engine=onnxruntime", "device=cpu", "max_queue=64")
    more = ("max_explanations=1", "drain_s=1.5", "grace_s=60")
    with running_server(*arguments, *more, home=home) as server:
        yield tag, server


@pytest.fixture(scope="session")
def server(tag_and_server: tuple[str, Server]) -> Server:
    return tag_and_server[1]


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The test that ends the shared server goes last."""
    items.sort(key=lambda item: item.path.name == "test_stop.py")
