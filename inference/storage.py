"""Object storage through fsspec: what is remote, and calls that outlast a hiccup of the network."""

import random
import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

import fsspec
from fsspec.core import url_to_fs

from inference.errors import UsageError
from inference.names import unknown_name

Value = TypeVar("Value")

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_PACKAGES = {
    **dict.fromkeys(("s3", "s3a"), "s3fs"),
    **dict.fromkeys(("gs", "gcs"), "gcsfs"),
    **dict.fromkeys(("az", "abfs", "abfss", "wasb", "wasbs"), "adlfs"),
}
_SCHEMES = (*_PACKAGES, "http", "https")
_OLD_AZURE = {
    "wasb": "abfs",
    "wasbs": "abfs",
    "abfss": "abfs",
}  # names of the same storage that fsspec lacks
_S3_OPTIONS: dict[str, Any] = {  # one layer retries, and it is ours: the waits do not multiply
    "retries": {"max_attempts": 0},
    "connect_timeout": 10,
    "read_timeout": 30,
    "max_pool_connections": 64,
}
_LASTING = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, UsageError)
_CREDENTIALS = frozenset(
    {
        "NoCredentialsError",  # botocore
        "PartialCredentialsError",
        "TokenRetrievalError",
        "DefaultCredentialsError",  # google.auth
        "RefreshError",
        "ClientAuthenticationError",  # azure.core
        "CredentialUnavailableError",
    }
)
ATTEMPTS = 5
FIRST_WAIT_S = 0.4  # doubled after each attempt: 6 s in all


def is_remote(address: str) -> bool:
    """Whether an address is that of an object store or a web server."""
    scheme = _SCHEME.match(address)
    return scheme is not None and scheme[1].lower() != "file"


def check_scheme(url: str) -> str:
    """Return the scheme of a remote URL. Raises UsageError for one that is not served."""
    scheme = url.split("://", 1)[0].lower()
    if scheme not in _SCHEMES:
        raise UsageError(f"{url}: {unknown_name('scheme', scheme, _SCHEMES)}")
    return scheme


def open_storage(url: str) -> tuple[Any, str]:
    """Return the fsspec file system of a remote URL, and the path that it knows the URL by.

    File systems are kept by fsspec, one per process. Raises UsageError for a scheme that is not
    served and for one whose package is not installed.
    """
    scheme, rest = check_scheme(url), url.split("://", 1)[1]
    options: dict[str, Any] = {"use_listings_cache": False}  # others write there, too
    if _PACKAGES.get(scheme) == "s3fs":
        own = fsspec.config.conf.get("s3", {}).get("config_kwargs", {})
        options["config_kwargs"] = {**_S3_OPTIONS, **own}
        options["max_concurrency"] = 1  # more would ask for the size of each image before reading
    try:
        files, path = url_to_fs(f"{_OLD_AZURE.get(scheme, scheme)}://{rest}", **options)
    except ImportError:
        package = _PACKAGES.get(scheme, "aiohttp")
        raise UsageError(
            f"{url}: {scheme}:// needs the package {package}: pip install {package}"
        ) from None
    except Exception as error:  # each store refuses in its own way, missing credentials above all
        raise _failure(url, error, tried=1) from None
    if hasattr(files, "retries"):  # s3fs has its own, too
        files.retries = 1
    return files, path


def steadily(action: Callable[[], Value], *, url: str) -> Value:
    """Call until it succeeds, a few times at most, with growing waits between.

    Raises FileNotFoundError and the like at once, UsageError where credentials are missing or
    refused, and OSError that names `url` and the cause when the last attempt has failed.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return action()
        except _LASTING:
            raise
        except Exception as error:  # every store has errors of its own
            if attempt == ATTEMPTS or _is_refusal(error):
                raise _failure(url, error, tried=attempt) from None
        time.sleep(FIRST_WAIT_S * 2 ** (attempt - 1) * random.uniform(0.75, 1.25))
    raise AssertionError("the last attempt returns or raises")


def _is_refusal(error: Exception) -> bool:
    return (
        isinstance(error, PermissionError)
        or type(error).__name__ in _CREDENTIALS
        or getattr(error, "status", None) in (401, 403)  # of a web server
    )


def _failure(url: str, error: Exception, *, tried: int) -> UsageError | OSError:
    cause = " ".join(str(error).split()) or type(error).__name__
    if _is_refusal(error):
        return UsageError(
            f"{url}: access refused ({cause}); give credentials as the store's own tools take "
            "them, in the environment or in their configuration files"
        )
    return OSError(f"{url} cannot be read or written: {cause} (tried {tried} times)")
