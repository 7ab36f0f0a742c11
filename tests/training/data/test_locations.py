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
        ("abfs://c@acct/x/1.jpg", {"abfs://c@acct/": "file:///lo%20cal"}, "/lo cal/x/1.jpg"),
        ("wasbs://c@acct/1.jpg", {"wasbs://c@acct/1.jpg": "/local/one.jpg"}, "/local/one.jpg"),
        (AZURE, {AZURE.removesuffix("/1.jpg"): "/deep"}, "/deep/1.jpg"),
        ("azureml://datastores/store/paths/a/1.jpg", {"store": "/local"}, "/local/a/1.jpg"),
        ("file://localhost/abs/1.jpg", {}, "/abs/1.jpg"),
        ("my%20cat.jpg", {}, "/data/table/my cat.jpg"),
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
        ("gs://far/1.jpg", "gs://far must be mapped to a local folder, got s3://further"),
        ("gs://farther/1.jpg", "is remote"),  # a prefix ends at a slash
    ],
)
def test_an_address_that_cannot_be_reached_says_what_to_do(url, message):
    with pytest.raises(UsageError, match=message):
        local_path(url, base=BASE, datastores={"gs://far": "s3://further"})


def test_a_percent_sign_in_a_name_that_exists_is_no_code(tmp_path):
    (tmp_path / "a%20b.jpg").touch()
    assert local_path("a%20b.jpg", base=tmp_path, datastores={}) == tmp_path / "a%20b.jpg"


def test_the_prefix_that_azures_sdk_writes_before_local_paths_is_dropped():
    assert table_path("azureml:./t", base=BASE, datastores={}) == BASE / "t"
    assert table_path("azureml:../../t", base=BASE, datastores={}) == BASE / "../../t"


@pytest.mark.parametrize("asset", ["azureml:fridge:1", "azureml:fridge-items@latest"])
def test_a_data_asset_of_a_workspace_cannot_be_read(asset):
    with pytest.raises(UsageError, match="data asset of an Azure workspace"):
        table_path(asset, base=BASE, datastores={})
