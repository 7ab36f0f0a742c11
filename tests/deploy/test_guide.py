"""The commands of docs/deployment.md, in their order."""

import re
import shlex
from pathlib import Path

from tests.deploy.commands import deploy
from tests.deploy.servers import ROOT, free_port


def test_every_command_of_the_guide_runs(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    lines = re.findall(r"^python -m deploy (.*)$", guide, re.MULTILINE)
    assert len(lines) >= 8
    for line in lines:
        words = shlex.split(line, comments=True)
        if words[0] == "render":
            words += ["--port", str(free_port())]
        # There is neither a container engine nor a cluster to apply it to.
        deploy(*(word for word in words if word != "--apply"), output=tmp_path)
