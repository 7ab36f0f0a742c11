"""The work on a plan: parts taken one after the other, scored into drafts, published as a whole."""

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from inference.folder import Scorer
from inference.folder_files import JsonLines, shown
from inference.folder_plan import Plan, is_current, is_done
from inference.folder_sources import ImageSource
from inference.leases import Leases
from inference.part_store import PartStore


@dataclass(frozen=True, slots=True)
class PartWorker:
    """One process's share of the work; `on_line` is told for each image whether it failed."""

    store: PartStore
    plan: Plan
    source: ImageSource
    scorer: Scorer
    leases: Leases
    on_line: Callable[[bool], None]

    def run(self) -> None:
        """Score parts until all are done, also those of others that died."""
        for number in _free_parts(self.plan, self.store, self.leases):
            self._score(number)

    def run_one(self, number: int) -> None:
        """Score a part, whoever may have it, unless it is done."""
        if not is_done(self.plan, number, self.store):
            self.leases.seize(self.plan.lease(number))
            self._score(number)

    def _score(self, number: int) -> None:
        """Go on where the one who had the part before stopped, as far as that can be seen."""
        stem, names = self.plan.stem(number), self.plan.part(number)
        with self.leases.kept(self.plan.lease(number)):
            left_behind = self.store.drafts(stem)
            draft = self.store.draft(f"{stem}.{uuid.uuid4().hex[:8]}.draft")
            begun = _adopt(left_behind, names, into=draft)
            with JsonLines(draft) as lines:
                for line in self.scorer.lines(self.source, names[begun:]):
                    lines.write(line)
                    self.on_line("error" in line)
            self._publish(draft, number)
            for old in left_behind:
                old.unlink(missing_ok=True)

    def _publish(self, draft: Path, number: int) -> None:
        try:
            self.store.publish(draft, self.plan.done(number))
        except FileNotFoundError:  # it was taken for dead, and what it worked on is done
            if not is_done(self.plan, number, self.store):
                raise


def _free_parts(plan: Plan, store: PartStore, leases: Leases) -> Iterator[int]:
    """Acquire one part after the other; waits for those of others, and ends when all are done."""
    while is_current(plan, store):
        names = store.names()
        left = [number for number in range(plan.count) if plan.done(number) not in names]
        if not left:
            return
        left.sort(key=lambda number: plan.lease(number) in names)  # first what nobody seems to have
        got_one = False
        for number in left:
            if leases.acquire(plan.lease(number)):
                if is_done(plan, number, store):
                    leases.release(plan.lease(number))
                else:
                    got_one = True
                    yield number
        if not got_one:
            time.sleep(leases.poll_s)


def _adopt(drafts: Sequence[Path], names: Sequence[str], *, into: Path) -> int:
    """Copy the whole lines of the longest draft; return how many there are."""
    if not drafts:
        return 0
    try:
        file = max(drafts, key=lambda path: path.stat().st_size).open("rb")
    except FileNotFoundError:  # its owner lives and has just finished
        return 0
    begun = 0
    with file, into.open("wb") as new:
        for name, line in zip(names, file, strict=False):
            if not line.endswith(b"\n") or orjson.loads(line)["filename"] != shown(name):
                break
            new.write(line)
            begun += 1
    return begun
