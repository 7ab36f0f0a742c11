"""How tests are divided among processes (`pytest -n 2 --dist loadgroup`, as in the Makefile)."""

import pytest

SHARED = ("tag_and_server", "runs")  # fixtures of a session that take seconds: made in one process


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file together, and all that use the same shared fixture."""
    for item in items:
        names: tuple[str, ...] = getattr(item, "fixturenames", ())
        group = next((name for name in SHARED if name in names), item.nodeid.split("::")[0])
        item.add_marker(pytest.mark.xdist_group(group))
