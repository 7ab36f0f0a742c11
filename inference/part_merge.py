"""The parts of a plan merged into the one output, by whoever sees all of them done."""

import heapq
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import orjson

from inference.errors import UsageError
from inference.folder import ERRORS_FILE
from inference.folder_plan import Plan, end_plan, is_current
from inference.leases import Leases
from inference.part_store import PartStore

_Line = tuple[str, bool, bytes]  # name, whether it is an error, as it is written


def finish(plan: Plan, store: PartStore, leases: Leases) -> None:
    """Merge all parts into the output, or wait until another process has done it."""
    lease = f"merge.{plan.id}.lease"
    while is_current(plan, store):
        if leases.acquire(lease):
            with leases.kept(lease):
                if _is_merged(plan, store):
                    end_plan(store)
        else:
            time.sleep(leases.poll_s)


def _is_merged(plan: Plan, store: PartStore) -> bool:
    """Write the output's lines and those of all parts in the order of names, each name once.

    The output comes last: until then everything can be done again. False if somebody else has
    ended the plan in the meantime; raises UsageError when a part is missing all the same.
    """
    try:
        results, errors = _merged_files(plan, store)
    except FileNotFoundError as error:
        if is_current(plan, store):
            raise UsageError(f"{error.filename or error} has vanished; start again") from None
        return False
    if not is_current(plan, store):  # taken for dead, too late: the output may have grown
        return False
    if errors.stat().st_size:
        store.deliver(errors, ERRORS_FILE)
    else:
        store.withdraw(ERRORS_FILE)
    if results.stat().st_size:
        store.deliver(results, store.output_name)
    return True


def _merged_files(plan: Plan, store: PartStore) -> tuple[Path, Path]:
    """Write drafts of the output and of the errors."""
    present = store.beside(store.output_name)
    old = _sorted_lines(present) if present else iter(())
    results, errors = (store.draft(f"merge.{uuid.uuid4().hex[:8]}.draft") for _ in range(2))
    written = None
    with results.open("wb") as good, errors.open("wb") as bad:
        for name, is_error, line in heapq.merge(old, _part_lines(plan, store), key=_name_of):
            if name != written:
                (bad if is_error else good).write(line)
                written = name
    return results, errors


def _name_of(line: _Line) -> str:
    return line[0]


def _part_lines(plan: Plan, store: PartStore) -> Iterator[_Line]:
    for number in range(plan.count):
        for line in store.lines(plan.done(number)):
            record = orjson.loads(line)
            yield record["filename"], "error" in record, line


def _sorted_lines(path: Path) -> Iterator[_Line]:
    """A file's lines by name; only names and places are held in memory."""
    places = []
    with path.open("rb") as file:
        begin = 0
        for line in file:
            places.append((str(orjson.loads(line)["filename"]), begin, begin + len(line)))
            begin += len(line)
        for name, begin, end in sorted(places):
            file.seek(begin)
            yield name, False, file.read(end - begin)
