from pathlib import Path

import pytest

from inference.errors import UsageError
from training.data.locations import local_path, table_path

BASE = Path("/data/table")
AZURE = "azureml://subscriptions/s/resourcegroups/r/workspaces/w/datastores/store/paths/a/1.jpg"


@pytest.mark.parametrize(
    ("url", "datastores", "expected"),
    [
        ("../images/1.jpg", {}, "/data/table/../images/1.jpg"),
        ("/abs/1.jpg", {}, "/abs/1.jpg"),
        ("file:///abs/my%20cat.jpg", {}, "/abs/my cat.jpg"),
        (AZURE, {"store": "/local"}, "/local/a/1.jpg"),
        (AZURE, {"store": "/local", "store/a": "/other"}, "/other/1.jpg"),  # the longest wins
        ("AmlDatastore://store/a/1.jpg", {"store": "/local"}, "/local/a/1.jpg"),
        ("https://host/a/1.jpg?sas=x", {"https://host": "/local"}, "/local/a/1.jpg"),
        ("s3://bucket/1.jpg", {"s3://bucket": "/local"}, "/local/1.jpg"),
    ],
)
def test_every_form_of_address(url, datastores, expected):
    assert local_path(url, base=BASE, datastores=datastores) == Path(expected)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (AZURE, "Azure datastore store; download .*datastores.store=FOLDER"),
        ("s3://bucket/1.jpg", "is remote; download"),
        ("file://host/1.jpg", "names another machine"),
    ],
)
def test_an_address_that_cannot_be_reached_says_what_to_do(url, message):
    with pytest.raises(UsageError, match=message):
        local_path(url, base=BASE, datastores={})


def test_the_prefix_that_azures_sdk_writes_before_local_paths_is_dropped():
    assert table_path("azureml:./t", base=BASE, datastores={}) == BASE / "t"
