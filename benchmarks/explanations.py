"""Classifier explanations against the reference packages and against the passes they need."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from saliency.core import xrai as saliency
from skimage import data
from torch import Tensor, nn

from benchmarks.memory import peak_mb
from benchmarks.references import captum_gradients, saliency_xrai
from benchmarks.timing import CONSOLE, interleaved, report
from inference.families import classifier_named
from inference.folding import fold_batch_norms
from inference.preprocess import normalize, resize_and_crop
from inference.schema import XaiParameters
from xai.merging import region_map
from xai.methods import METHODS, Subject
from xai.paths import default_chunk_size, no_checkpoint
from xai.segments import find_segments

_PHOTOS = ("astronaut", "coffee", "chelsea", "rocket")
_CHUNKS = {"cpu": (1, 5, 10), "cuda": (10, 25, 50)}  # of captum: points at once
_LARGEST_ERROR = 0.02  # Σ |difference| / Σ |reference|: in float32, rounding turns some ReLUs off


@dataclass(frozen=True, slots=True, eq=False)
class _Case:
    """A network as the reference packages get it, and what we explain: the same, folded."""

    plain: nn.Module
    subjects: Sequence[Subject]
    steps: int

    @property
    def subject(self) -> Subject:
        return self.subjects[0]


def compare_explanations(
    name: str, *, side: int, steps: int, rounds: int, device: str = "cpu"
) -> None:
    """Time a classifier with random weights; `steps` is the number of nodes of the references."""
    case = _case(name, side, steps, device)
    title = f"{name}, {side}×{side}, {device}"
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # float32 for all
        _compare_regions(case, title, rounds)
        _compare_xrai(case, title, rounds)
        _compare_gradients(case, title, rounds)
        _compare_counts(case, title, rounds)


def _case(name: str, side: int, steps: int, device: str) -> _Case:
    torch.manual_seed(0)
    family = classifier_named(name)
    plain, ours = (
        family.build(num_classes=10, image_size=side, pretrained=False).eval().requires_grad_(False)
        for _ in range(2)
    )
    ours.load_state_dict(plain.state_dict())
    ours = fold_batch_norms(ours).to(device).to(memory_format=torch.channels_last)
    photos = [_photo(photo, side).to(device) for photo in _PHOTOS]
    subjects = [Subject(ours, family.cam, photo, (0,)) for photo in photos]
    return _Case(plain.to(device), subjects, steps)


def _photo(name: str, side: int) -> Tensor:
    image: NDArray[np.uint8] = getattr(data, name)()
    crop = resize_and_crop(image, resize_size=round(1.14 * side), crop_size=side)
    return torch.from_numpy(normalize(crop[None])[0])


def _compare_regions(case: _Case, title: str, rounds: int) -> None:
    pixels = case.subject.image.permute(1, 2, 0).cpu().numpy()
    scores = np.random.default_rng(0).standard_normal(pixels.shape[:2])
    segments = find_segments(pixels)
    masks = saliency._get_segments_felzenszwalb(pixels)
    _check("segments", segments.masks().astype(float), np.stack(masks).astype(float), most=0)
    merged = saliency.XRAI._xrai(scores, list(masks))[0]
    _check("full merge", region_map(scores, segments, fast=False), merged, most=1e-6)
    _report(
        f"{title}: segments",
        {
            "saliency": lambda: saliency._get_segments_felzenszwalb(pixels),
            "ours": lambda: find_segments(pixels),
        },
        rounds,
    )
    _report(
        f"{title}: full merge of {len(masks)} regions",
        {
            "saliency": lambda: saliency.XRAI._xrai(scores, list(masks)),
            "ours": lambda: region_map(scores, segments, fast=False),
        },
        rounds,
    )


def _compare_xrai(case: _Case, title: str, rounds: int) -> None:
    chunk = default_chunk_size(case.subject.image.device)
    reference = saliency_xrai(case.plain, case.subject.image, 0, steps=case.steps, chunk=chunk)
    same_nodes = _run(
        case.subject, "xrai", n_steps=case.steps, approximation_method="linspace", xrai_fast=False
    )
    _check("whole XRAI", same_nodes()[0, 0].cpu().numpy(), reference(), most=_LARGEST_ERROR)
    path = METHODS["xrai"].path
    own = path.n_steps if path else 0
    _report(
        f"{title}: whole XRAI",
        {
            f"saliency, 2 × {case.steps} nodes": reference,
            "ours, the same nodes": same_nodes,
            f"ours, default, 2 × {own} nodes": _run(case.subject, "xrai"),
            f"bare passes of 2 × {own} nodes": lambda: _bare_passes(case.subject, 2 * own, chunk),
        },
        rounds,
    )


def _compare_gradients(case: _Case, title: str, rounds: int) -> None:
    ours = _run(case.subject, "integrated_gradients", n_steps=case.steps)
    theirs = {
        f"captum, {chunk} at once": captum_gradients(
            case.plain, case.subject.image, 0, steps=case.steps, chunk=chunk
        )
        for chunk in _CHUNKS[case.subject.image.device.type]
    }
    for name, call in theirs.items():
        _check(name, ours()[0].cpu().numpy(), call().cpu().numpy(), most=_LARGEST_ERROR)
    contestants = {**theirs, "ours": ours}
    _report(f"{title}: integrated gradients, {case.steps} nodes", contestants, rounds)
    peaks = {name: peak_mb(call) for name, call in contestants.items()}
    CONSOLE.print("peak memory, MB: " + ", ".join(f"{n} {mb:.0f}" for n, mb in peaks.items()))


def _compare_counts(case: _Case, title: str, rounds: int) -> None:
    one = _run(case.subject, "xrai")
    four_classes = _run(replace(case.subject, targets=(0, 1, 2, 3)), "xrai")
    in_turn = [_run(subject, "xrai") for subject in case.subjects]

    def four_images() -> None:
        for run in in_turn:
            run()

    contestants: dict[str, Callable[[], object]] = {
        "one image, one class": one,
        "four classes": four_classes,
        "four images in turn": four_images,
    }
    _report(f"{title}: XRAI of several", contestants, rounds)
    peaks = {name: peak_mb(call) for name, call in contestants.items()}
    CONSOLE.print("peak memory, MB: " + ", ".join(f"{n} {mb:.0f}" for n, mb in peaks.items()))


def _run(subject: Subject, method: Any, **options: Any) -> Callable[[], Tensor]:
    parameters = XaiParameters(xai_algorithm=method, **options)
    return lambda: METHODS[method].run(subject, parameters, no_checkpoint).values


def _bare_passes(subject: Subject, points: int, chunk: int) -> None:
    """The forward and backward passes alone, by the input, in the same chunks."""
    for _ in range(0, points, chunk):
        batch = subject.image.expand(chunk, -1, -1, -1).contiguous(
            memory_format=torch.channels_last
        )
        batch.requires_grad_()
        torch.autograd.grad(subject.network(batch)[:, 0].sum(), batch)


def _check(
    what: str, ours: NDArray[np.floating], theirs: NDArray[np.floating], *, most: float
) -> None:
    """Say how far apart two results are; raise AssertionError beyond `most`."""
    error = float(np.abs(ours - theirs).sum() / np.abs(theirs).sum())
    CONSOLE.print(f"{what}: differs from the reference by {error:.1e}")
    if not error <= most:
        raise AssertionError(f"{what} must be within {most} of the reference, got {error}")


def _report(title: str, contestants: Mapping[str, Callable[[], object]], rounds: int) -> None:
    seconds = interleaved(contestants, rounds=rounds)
    report(title, seconds, baseline=next(iter(contestants)))
