"""An object store as far away as wanted: files of a folder over the S3 protocol, each answer late.

    python -m benchmarks.slow_store FOLDER SECONDS

prints its port. It takes a tenth of the CPU time of a full S3 server, so that a measurement on the
same machine is one of the client.
"""

import asyncio
import hashlib
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web


def _answer(folder: Path, seconds: float) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        await asyncio.sleep(seconds)
        data = (folder / request.match_info["key"]).read_bytes()
        tag = hashlib.md5(data, usedforsecurity=False).hexdigest()
        return web.Response(body=data, headers={"ETag": f'"{tag}"'})

    return answer


async def _serve(folder: Path, seconds: float) -> None:
    app = web.Application()
    app.router.add_get("/{bucket}/{key:.+}", _answer(folder, seconds))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sys.stdout.write(f"{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), float(sys.argv[2])))
