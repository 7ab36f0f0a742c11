"""One request over HTTP, as cheap as aiohttp allows."""

import asyncio
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.client import HTTPException

import aiohttp

from load_tests.errors import UsageError
from load_tests.outcomes import Outcome
from load_tests.payloads import Payload

clock = time.perf_counter


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go; a request without an answer after `timeout_s` counts as an error."""

    base_url: str
    path: str = "/score"
    timeout_s: float = 60.0

    @property
    def url(self) -> str:
        """The address that scores."""
        return self.base_url.rstrip("/") + self.path


@asynccontextmanager
async def open_session(target: Target) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session with as many connections as there are requests in flight."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=target.timeout_s),
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        yield session


async def send(
    session: aiohttp.ClientSession,
    target: Target,
    payload: Payload,
    *,
    scheduled_s: float | None = None,
    keep_body: bool = False,
) -> Outcome:
    """Send one request and read its answer; an error of the connection is an outcome too."""
    due_s = clock() if scheduled_s is None else scheduled_s
    try:
        async with session.post(
            target.url, data=payload.body, headers={"Content-Type": payload.content_type}
        ) as response:
            body = await response.read()
            done_s = clock()
            headers = response.headers
            return Outcome(
                payload,
                due_s,
                done_s,
                str(response.status),
                headers.get("Retry-After"),
                headers.get("Server-Timing", ""),
                body if keep_body or response.status != 200 else b"",
            )
    except TimeoutError:
        return Outcome(payload, due_s, clock(), "timeout")
    except (aiohttp.ClientError, OSError) as error:
        return Outcome(payload, due_s, clock(), type(error).__name__)


def ask(target: Target, payload: Payload) -> Outcome:
    """Send one request alone, its answer kept."""

    async def once() -> Outcome:
        async with open_session(target) as session:
            return await send(session, target, payload, keep_body=True)

    return asyncio.run(once())


def check(target: Target, payload: Payload) -> Outcome:
    """Return the answer to a good request. Raises UsageError with the server's words if none."""
    reach(target.base_url)
    outcome = ask(target, payload)
    if not outcome.ok:
        words = outcome.body[:200].decode(errors="replace")
        raise UsageError(f"{target.url} answered {payload.name} with {outcome.code}: {words}")
    return outcome


def reach(base_url: str) -> None:
    """Raise UsageError unless something speaks HTTP there."""
    try:
        with urllib.request.urlopen(base_url, timeout=10):
            pass
    except urllib.error.HTTPError:
        return
    except (urllib.error.URLError, ValueError, OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise UsageError(
            f"--url {base_url} cannot be reached ({reason}); is the server running there?"
        ) from None
