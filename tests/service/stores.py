"""BentoML model stores for tests, made as `python -m training register` makes them."""

import subprocess
import sys
from pathlib import Path

from tests.service.servers import ROOT, environment

_REGISTER = "import sys; from pathlib import Path; from training.register import register; " + (
    "print(register(sys.argv[1], name=sys.argv[2], runs=Path('runs')))"
)


def registered(folder: Path, name: str, *, home: Path) -> str:
    """Copy a model folder into the store of `home`; return its tag."""
    home.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", _REGISTER, str(folder), name]
    ran = subprocess.run(
        command, cwd=ROOT, env=environment(home), capture_output=True, text=True, check=True
    )
    return ran.stdout.strip().splitlines()[-1]
