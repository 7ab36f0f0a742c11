"""The plan of a shared folder run: which images are to be scored, and how they are cut into parts.

It is made once, by whoever comes first, and joined by all others. The files of a plan carry its id,
so that nothing of an older one can be taken for them.
"""

import json
import uuid
from dataclasses import dataclass

from inference.errors import UsageError
from inference.folder_files import read_done, shown
from inference.folder_sources import ImageSource
from inference.part_store import PartStore

_PLAN_FILE = "plan.json"
_MOST_IMAGES = 1024  # of a part: what a killed process may lose in object storage
_LEAST_IMAGES = 16
_PARTS_PER_WORKER = 8  # so that all end at about the same time
_MOST_PARTS = 10_000  # the store lists them often


@dataclass(frozen=True, slots=True)
class Plan:
    """Images in order, cut into parts of `part_size`.

    `labels` are the model's: another one's scores would not fit. `done_before` images had a line
    in the output already.
    """

    id: str
    labels: tuple[str, ...]
    images: tuple[str, ...]
    part_size: int
    done_before: int

    @property
    def count(self) -> int:
        """How many parts there are."""
        return -(-len(self.images) // self.part_size)

    def part(self, number: int) -> tuple[str, ...]:
        """The images of a part."""
        return self.images[number * self.part_size : (number + 1) * self.part_size]

    def stem(self, number: int) -> str:
        """What the names of a part's files begin with."""
        return f"{number:06}.{self.id}"

    def lease(self, number: int) -> str:
        """The file that says who scores a part."""
        return f"{self.stem(number)}.lease"

    def done(self, number: int) -> str:
        """The file that holds a part's lines when it is scored."""
        return f"{self.stem(number)}.jsonl"


def open_plan(
    store: PartStore, source: ImageSource, *, labels: tuple[str, ...], workers: int
) -> Plan:
    """Join the plan that is there, or make one of the images that have no line yet.

    `workers` only says into how many parts a new plan is cut. Raises UsageError when the plan, or
    the output, is another model's.
    """
    plan = read_plan(store)
    if plan is None:
        plan = _new_plan(store, source, labels, workers)
        if not plan.images or _was_written(plan, store):
            return plan
        plan = read_plan(store) or plan
    if plan.labels != labels:
        raise UsageError(
            "the output is being written by another model, with labels "
            f"{', '.join(plan.labels)}; choose another --output"
        )
    return plan


def read_plan(store: PartStore) -> Plan | None:
    """Return the plan that is there, if any."""
    data = store.read(_PLAN_FILE)
    if data is None:
        return None
    head = json.loads(data)
    images = store.read(_images_file(head["id"]))
    if images is None:  # it has just ended
        return None
    return Plan(**{**head, "labels": tuple(head["labels"]), "images": tuple(json.loads(images))})


def is_current(plan: Plan, store: PartStore) -> bool:
    """Whether a plan is still the one that is worked on: until it is merged."""
    data = store.read(_PLAN_FILE)
    return data is not None and json.loads(data)["id"] == plan.id


def is_open(store: PartStore) -> bool:
    """Whether any plan is being worked on."""
    return store.stamp(_PLAN_FILE) is not None


def is_done(plan: Plan, number: int, store: PartStore) -> bool:
    """Whether a part is scored, or even merged."""
    return store.stamp(plan.done(number)) is not None or not is_current(plan, store)


def end_plan(store: PartStore) -> None:
    """Delete the plan, with which it has ended for everybody, and then all of its files."""
    store.delete(_PLAN_FILE)
    store.clear()


def _was_written(plan: Plan, store: PartStore) -> bool:
    """Write a plan, its images first; False if somebody else was faster."""
    head = {
        "id": plan.id,
        "labels": plan.labels,
        "part_size": plan.part_size,
        "done_before": plan.done_before,
    }
    # Not orjson: names that are no UTF-8 hold half surrogates.
    store.create(_images_file(plan.id), json.dumps(plan.images).encode())
    return store.create(_PLAN_FILE, json.dumps(head).encode())


def _images_file(plan_id: str) -> str:
    return f"images.{plan_id}.json"


def _new_plan(store: PartStore, source: ImageSource, labels: tuple[str, ...], workers: int) -> Plan:
    names = source.names()
    output = store.beside(store.output_name)
    done = read_done(output, labels) if output else set()
    images = sorted((name for name in names if shown(name) not in done), key=shown)
    return Plan(
        id=uuid.uuid4().hex[:8],
        labels=labels,
        images=tuple(images),
        part_size=part_size_for(len(images), workers=workers),
        done_before=len(names) - len(images),
    )


def part_size_for(images: int, *, workers: int) -> int:
    """How many images a part should have."""
    even = -(-images // (_PARTS_PER_WORKER * workers))
    return max(min(max(even, _LEAST_IMAGES), _MOST_IMAGES), -(-images // _MOST_PARTS))
