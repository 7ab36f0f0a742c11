"""Measure the explanations of a model on many images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, get_args

from inference.errors import InputError, UsageError
from inference.image import decode_image
from inference.model_folder import ModelFolder
from inference.names import unknown_name
from inference.schema import DetectorAlgorithm, OfflineAlgorithm
from inference.types import CLASSIFICATION_TASKS, Task
from xai.methods import METHODS
from xai.quality.classifiers import ClassifierJudge
from xai.quality.data import Example
from xai.quality.detectors import DetectorJudge
from xai.quality.measures import MEASURES, Measured
from xai.quality.references import REFERENCES
from xai.quality.summary import Row, row_of, rows_json


@dataclass(frozen=True, slots=True)
class Quality:
    """What was measured: a row per method, then the references; left_out: images and why."""

    task: Task
    labels: tuple[str, ...]
    images: int
    seed: int
    rows: tuple[Row, ...]
    left_out: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Everything, for quality.json; the same call gives the same."""
        used = {name for row in self.rows for name in row.means}
        return {
            "task": self.task.value,
            "labels": list(self.labels),
            "images": self.images,
            "seed": self.seed,
            "left_out": list(self.left_out),
            "measures": {
                measure.name: {"better": measure.better, "about": measure.about}
                for measure in MEASURES
                if measure.name in used
            },
            "rows": rows_json(self.rows),
        }


def chosen_methods(
    names: Sequence[str], task: Task, *, missing: Mapping[str, str] = MappingProxyType({})
) -> tuple[str, ...]:
    """Check names of methods; without any, all of the task that a server offers.

    `missing` are methods that the network does not have, and why. Raises UsageError for one of
    them, and with the nearest name for one that is none of the task.
    """
    is_classifier = task in CLASSIFICATION_TASKS
    methods = tuple(name for name in METHODS if name not in missing)
    served = methods if is_classifier else get_args(DetectorAlgorithm)
    allowed = served if is_classifier else (*served, *get_args(OfflineAlgorithm))
    for name in names:
        if name in missing:
            raise UsageError(f"--method: {missing[name]}")
        if name not in allowed:
            raise UsageError(f"--method: {unknown_name('method', name, allowed)}")
    return tuple(dict.fromkeys(names)) or served


def evaluate(
    folder: ModelFolder,
    examples: Sequence[Example],
    methods: Sequence[str],
    *,
    n_steps: int | None = None,
    device: str = "cpu",
    seed: int = 0,
    on_image: Callable[[], object] = lambda: None,
) -> Quality:
    """Measure methods, of which there is at least one, and the references on every example.

    Raises UsageError when no example could be measured.
    """
    measure = _measure(folder, methods, n_steps=n_steps, device=device, seed=seed)
    results: list[dict[str, Measured]] = []
    left_out = []
    for place, example in enumerate(examples):
        try:
            result = measure(example, place)
        except (InputError, OSError) as error:
            left_out.append(f"{example.path}: {error}")
        else:
            if result:
                results.append(result)
            else:
                left_out.append(f"{example.path}: no labelled object was found in it")
        on_image()
    if not results:
        raise UsageError(f"none of {len(examples)} images can be measured; {left_out[0]}")
    rows = tuple(
        row_of(name, [result[name] for result in results], is_reference=name in REFERENCES)
        for name in (*methods, *REFERENCES)
    )
    facts = folder.facts
    return Quality(facts.task, facts.labels, len(results), seed, rows, tuple(left_out))


def _measure(
    folder: ModelFolder, methods: Sequence[str], *, n_steps: int | None, device: str, seed: int
) -> Callable[[Example, int], dict[str, Measured]]:
    """How one example, the n-th, is measured; each has random numbers of its own."""
    if folder.facts.task in CLASSIFICATION_TASKS:
        classifiers = ClassifierJudge(folder, methods, n_steps=n_steps, device=device, seed=seed)
        return lambda example, place: classifiers.measure(
            decode_image(example.path.read_bytes()), (seed, place)
        )
    detectors = DetectorJudge(folder, methods, device=device)
    return lambda example, place: detectors.measure(
        decode_image(example.path.read_bytes()), example.objects, (seed, place)
    )
