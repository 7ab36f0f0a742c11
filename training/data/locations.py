"""Where data lie: paths, file URLs, addresses of object stores, and the mapping between them."""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from inference.errors import UsageError
from inference.storage import check_scheme, is_remote
from training.data.remote_images import RemoteImage

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_DATASTORE = re.compile(
    r"(?:azureml://(?:.*/)?datastores/([^/]+)(?:/paths)?|AmlDatastore://([^/]+))(/.*)?",
    re.IGNORECASE,
)
_AZURE_ASSET = re.compile(r"[\w.-]+(:[\w.-]+|@[\w.-]+)")
_AZURE_PREFIX = "azureml:"  # the SDK writes local paths as azureml:./data


def is_path(text: str) -> bool:
    """Whether `text` is a file system path rather than a URL or an Azure name."""
    return not _SCHEME.match(text) and not text.startswith(_AZURE_PREFIX)


def find_image(url: str, base: Path, *, datastores: Mapping[str, str]) -> Path | RemoteImage:
    """Find an image by its address: an absolute path, or an object of a store.

    `base` and `datastores` are as for local_path. Raises UsageError for an address that leads
    nowhere; whether there is an image is for the caller to see.
    """
    located = _located(url, base, datastores)
    return located.absolute() if isinstance(located, Path) else RemoteImage(located)


def local_path(url: str, *, base: Path, datastores: Mapping[str, str]) -> Path:
    """Find the local path of an address; whether there is a file is for the caller to see.

    A path is relative to `base`. `datastores` maps an Azure datastore (alone, or with the beginning
    of the path in it) or the beginning of any URL to a folder or another URL; the longest that fits
    wins. Raises UsageError for a remote address.
    """
    located = _located(url, base, datastores)
    if isinstance(located, str):
        raise UsageError(_remote(located))
    return located


def table_path(url: str, *, base: Path, datastores: Mapping[str, str]) -> Path:
    """Find the local path of a job's table, which Azure's SDK writes with a prefix.

    Raises UsageError for a data asset of an Azure workspace and for unmapped remote addresses.
    """
    if not url.startswith(_AZURE_PREFIX) or _SCHEME.match(url):
        return local_path(url, base=base, datastores=datastores)
    rest = url.removeprefix(_AZURE_PREFIX)
    if _AZURE_ASSET.fullmatch(rest):
        raise UsageError(
            f"{url} is a data asset of an Azure workspace; download it and give its folder instead"
        )
    return _join(base, rest)


def _located(url: str, base: Path, datastores: Mapping[str, str]) -> Path | str:
    """The path of a local address, the URL of a remote one."""
    mapped = _mapped(url, datastores)
    if mapped is not None:
        return mapped
    scheme = _SCHEME.match(url)
    if scheme is None:
        return _join(base, url)
    if scheme[1].lower() == "file":
        return _file_url_path(url)
    if _DATASTORE.fullmatch(url):
        raise UsageError(_unmapped(url))
    check_scheme(url)
    return url


def _mapped(url: str, datastores: Mapping[str, str]) -> Path | str | None:
    address = _short(url)
    for key in sorted(datastores, key=len, reverse=True):
        prefix = _short(key).rstrip("/")
        if address == prefix or address.startswith(prefix + "/"):
            target, rest = datastores[key], address[len(prefix) :].lstrip("/")
            if is_remote(target):
                check_scheme(target)
                return f"{target.rstrip('/')}/{rest}"
            return _join(_folder(target, key), rest)
    return None


def _short(url: str) -> str:
    """Reduce an Azure datastore URL to "NAME/path", and drop what follows "?" in a web address."""
    datastore = _DATASTORE.fullmatch(url)
    if datastore:
        return (datastore[1] or datastore[2]) + (datastore[3] or "")
    return url.partition("?")[0] if url.lower().startswith("http") else url


def _folder(target: str, key: str) -> Path:
    if target.lower().startswith("file:"):
        return _file_url_path(target)
    if not is_path(target):
        raise UsageError(
            f"datastores: {key} must be mapped to a folder or a URL such as s3://…, got {target}"
        )
    return Path(target)


def _file_url_path(url: str) -> Path:
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise UsageError(f"{url} names another machine; a file URL has three slashes: file:///path")
    return Path(unquote(parts.path))


def _join(base: Path, text: str) -> Path:
    """Join; %20 and the like are read as they stand if such a file exists, else decoded."""
    as_written = base / text
    return base / unquote(text) if "%" in text and not _exists(as_written) else as_written


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long for any file
        return False


def _unmapped(url: str) -> str:
    datastore = _DATASTORE.fullmatch(url)
    name = datastore and (datastore[1] or datastore[2])
    return (
        f"{url} is in the Azure datastore {name}; say where its files are, a folder or a URL such "
        f"as abfs://CONTAINER@ACCOUNT.dfs.core.windows.net: `--set datastores.{name}=FOLDER`, or "
        f"`datastores: {{{name}: FOLDER}}` in the job file"
    )


def _remote(url: str) -> str:
    parts = urlsplit(url)
    return (
        f"{url} is remote, and tables are read from local folders; download it and say where it "
        f"is, in the job file: `datastores: {{{parts.scheme}://{parts.netloc}: FOLDER}}`"
    )
