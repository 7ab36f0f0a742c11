"""What the load generator itself costs, against a server that does nothing."""

import asyncio
import sys

from load_tests.client import Target, check
from load_tests.loops import closed_loop
from load_tests.options import Duration, Images, Out, Port, numbers
from load_tests.payloads import as_json, photos_from
from load_tests.processes import running_server
from load_tests.report import reporting
from load_tests.summary import summarize


def client_cost(
    images: Images = None,
    clients: str = "1,8,32",
    duration: Duration = 5.0,
    port: Port = 0,
    out: Out = None,
) -> None:
    """Requests/s and CPU per request against an echo server: the ceiling of every other figure."""
    counts = numbers(clients)
    payloads = [as_json(photo) for photo in photos_from(images)]
    with reporting("client-cost", out) as report:
        command = (sys.executable, "-m", "load_tests.baselines.echo", "{port}")
        log = report.folder / "echo.log"
        with running_server(command, log=log, port=port, ready_path="/") as server:
            target = Target(server.base_url)
            check(target, payloads[0])
            for count in counts:
                measured = asyncio.run(
                    closed_loop(target, payloads, clients=count, duration_s=duration)
                )
                report.add({"clients": count, **summarize(measured).row()})
                if measured.interrupted:
                    raise KeyboardInterrupt
        most = max(row["client_cpu_ms"] for row in report.rows)
        report.findings["CPU of the load generator per request, ms"] = most
