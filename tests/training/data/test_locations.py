from pathlib import Path

import pytest

from inference.errors import UsageError
from training.data.locations import find_image, local_path, table_path
from training.data.remote_images import RemoteImage

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
        (AZURE, "Azure datastore store; say where .*datastores.store=FOLDER"),
        ("s3://bucket/1.jpg", "is remote, and tables are read from local folders; download"),
        ("ftp://host/1.jpg", "unknown scheme 'ftp' .allowed: abfs"),
        ("file://host/1.jpg", "names another machine"),
        ("gs://far/1.jpg", "s3://further/1.jpg is remote"),
        ("gs://farther/1.jpg", "gs://farther/1.jpg is remote"),  # a prefix ends at a slash
        ("gs://asset/1.jpg", "gs://asset must be mapped to a folder or a URL .* got azureml:x:1"),
    ],
)
def test_an_address_that_cannot_be_reached_says_what_to_do(url, message):
    with pytest.raises(UsageError, match=message):
        local_path(
            url, base=BASE, datastores={"gs://far": "s3://further", "gs://asset": "azureml:x:1"}
        )


@pytest.mark.parametrize(
    ("url", "datastores", "expected"),
    [
        ("../images/1.jpg", {}, Path("/data/table/../images/1.jpg")),
        ("s3://bucket/a b/1.jpg", {}, RemoteImage("s3://bucket/a b/1.jpg")),
        ("https://host/1.jpg?sas=x", {}, RemoteImage("https://host/1.jpg?sas=x")),
        (AZURE, {"store": "abfs://c@acct"}, RemoteImage("abfs://c@acct/a/1.jpg")),
        (AZURE, {"store/a": "s3://bucket/b/"}, RemoteImage("s3://bucket/b/1.jpg")),
        ("s3://bucket/1.jpg", {"s3://bucket": "/local"}, Path("/local/1.jpg")),
    ],
)
def test_images_may_be_remote(url, datastores, expected):
    assert find_image(url, BASE, datastores=datastores) == expected


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
