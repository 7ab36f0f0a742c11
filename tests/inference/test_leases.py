"""Who may work on what: leases of the living are kept, those of the dead are taken over."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from inference.leases import Leases
from inference.part_store import LocalParts

NAME = "000001.lease"
ELSEWHERE = b"another-machine/pid 1"


@pytest.fixture
def store(tmp_path: Path) -> LocalParts:
    return LocalParts(tmp_path / "out.jsonl")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_only_one_gets_a_lease(store: LocalParts) -> None:
    first, second = Leases(store), Leases(store)
    assert first.acquire(NAME)
    assert not second.acquire(NAME)
    first.release(NAME)
    assert second.acquire(NAME)


def test_a_lease_without_news_is_taken_over_after_its_time(store: LocalParts) -> None:
    clock = Clock()
    leases = Leases(store, seconds=10, clock=clock)
    store.create(NAME, ELSEWHERE)
    assert not leases.acquire(NAME)  # seen for the first time: how old it is does not matter
    clock.now = 10.0
    assert not leases.acquire(NAME)
    clock.now = 10.1
    assert leases.acquire(NAME)


def test_a_lease_that_is_renewed_is_left_alone(store: LocalParts, tmp_path: Path) -> None:
    clock = Clock()
    leases = Leases(store, seconds=10, clock=clock)
    store.create(NAME, ELSEWHERE)
    path = tmp_path / "out.jsonl.parts" / NAME
    for hour in range(3):  # a machine whose clock is wrong by hours
        os.utime(path, (3600.0 * hour, 3600.0 * hour))
        assert not leases.acquire(NAME)
        clock.now += 9.0


def test_a_lease_of_a_dead_process_of_this_machine_is_free_at_once(store: LocalParts) -> None:
    mine = Leases(store)
    mine.acquire(NAME)
    owner = store.read(NAME)
    assert owner is not None
    ended = subprocess.Popen(["true"])
    ended.wait()
    store.delete(NAME)
    store.create(NAME, owner.rpartition(b" ")[0] + f" {ended.pid}".encode())
    assert mine.acquire(NAME)


def test_a_kept_lease_is_renewed_and_then_released(store: LocalParts) -> None:
    leases = Leases(store, seconds=0.03)
    assert leases.acquire(NAME)
    first = store.stamp(NAME)
    with leases.kept(NAME):
        for _ in range(500):
            if store.stamp(NAME) != first:
                break
            time.sleep(0.01)
        assert store.stamp(NAME) != first
    assert store.stamp(NAME) is None


def test_a_lease_that_was_taken_over_is_not_released(store: LocalParts) -> None:
    leases = Leases(store)
    leases.acquire(NAME)
    store.delete(NAME)
    store.create(NAME, ELSEWHERE)
    leases.release(NAME)
    assert store.read(NAME) == ELSEWHERE
