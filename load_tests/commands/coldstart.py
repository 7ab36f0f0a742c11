"""How long a server takes from its start to its first answer."""

import shlex
import time
from statistics import median
from typing import Annotated

import typer

from load_tests.client import Target, check
from load_tests.errors import UsageError
from load_tests.options import Images, Out, Port, Rounds, Timeout
from load_tests.payloads import as_json, photos_from
from load_tests.processes import running_server
from load_tests.report import reporting


def coldstart(
    command: Annotated[str, typer.Option(help="How to start it; {port} stands for the port.")],
    images: Images = None,
    port: Port = 0,
    ready_path: str = "/readyz",
    rounds: Rounds = 3,
    timeout: Timeout = 180.0,
    out: Out = None,
) -> None:
    """Seconds from the start to /readyz 200, and to the first score."""
    if "{port}" not in command:
        raise UsageError("--command must say {port} where the port goes")
    payload = as_json(photos_from(images)[0])
    with reporting("coldstart", out) as report:
        for turn in range(rounds):
            log = report.folder / "server.log"
            begin = time.perf_counter()
            with running_server(
                shlex.split(command),
                log=log,
                port=port,
                ready_path=ready_path,
                start_timeout_s=timeout,
            ) as server:
                check(Target(server.base_url, timeout_s=timeout), payload)
                scored_s = time.perf_counter() - begin
                report.add({"round": turn, "ready_s": server.ready_s, "first_score_s": scored_s})
        for name in ("ready_s", "first_score_s"):
            report.findings[f"median {name}"] = median(row[name] for row in report.rows)
