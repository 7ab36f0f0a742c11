"""YAML of plain objects, in the order in which they were built."""

from collections.abc import Sequence
from typing import Any

import yaml

_HEADER = "# Written by `python -m deploy`; deployment.json beside it says from what.\n"


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True  # anchors say nothing to a reader


def to_yaml(documents: Sequence[dict[str, Any]]) -> str:
    """Write documents one after the other, with `---` between them."""
    text = yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return _HEADER + text
