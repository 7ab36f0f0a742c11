"""A detector's folder and an image to an explanation of each object."""

from collections.abc import Iterator, Sequence
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.candidates import Candidates
from inference.canvas import Geometry, resize
from inference.detect import View, layout, views_of
from inference.errors import BadRequest, ExplanationFailed
from inference.evidence import Evidence, Grid
from inference.families import detector_named
from inference.model_folder import ModelFolder
from inference.networks import load_network
from inference.preprocess import normalize
from inference.schema import DetectorAlgorithm, OfflineAlgorithm, XaiParameters
from inference.settings import DetectionSettings, SegmentationSettings, Settings, settings_of
from xai.detection.drise import Targets, drise
from xai.detection.explanation import DetectorExplanation
from xai.detection.odam import CellMap, odam
from xai.detection.placing import place, reduced_hw
from xai.detection.search import Search, search
from xai.merging import region_map
from xai.paths import Checkpoint, no_checkpoint
from xai.segments import find_segments

MAX_BOXES = 20  # explained in one image
PICTURE_SIDE = 640
_DRISE_BATCH = {"cpu": 2, "cuda": 16}

Map = NDArray[np.float32]


class DetectorExplainer:
    """A detector's eager network, ready to explain each object that it finds.

    Nothing in it changes after construction, so several threads may explain at the same time.
    """

    def __init__(
        self,
        folder: ModelFolder,
        *,
        device: str = "cpu",
        max_boxes: int = MAX_BOXES,
        offline: bool = False,
    ) -> None:
        """Load the network. offline: allow methods that take minutes."""
        self._facts = folder.facts
        self._settings = settings_of(folder.settings, DetectionSettings)
        self._family = detector_named(folder.facts.family)
        self._device = torch.device(device)
        self._network = load_network(folder, device=device)
        self._max_boxes = max_boxes
        served = get_args(DetectorAlgorithm)
        self._algorithms = (*served, *get_args(OfflineAlgorithm)) if offline else served

    def explain(
        self,
        image_rgb: NDArray[np.uint8],
        parameters: XaiParameters,
        *,
        checkpoint: Checkpoint = no_checkpoint,
        settings: Settings | None = None,
    ) -> DetectorExplanation:
        """Find the objects of an image (H, W, 3), as `settings` ask, and explain them.

        Those that `boxes` of the parameters names, else the `max_boxes` of the highest scores. An
        object that was found in a tile is explained in that tile. `checkpoint` is called between
        chunks of work; what it raises ends the explanation.
        Raises BadRequest for parameters that do not fit, ExplanationFailed when the network gives
        something that is not a number.
        """
        _refuse_options_of_classifiers(parameters)
        algorithm = self._algorithm(parameters)
        chosen = _with_outlines(settings_of(settings or self._settings, DetectionSettings))
        views = views_of(image_rgb, chosen, object_px=self._facts.object_px)
        # TF32 would keep 10 bits of the mantissa, and find other boxes than the engines do
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            seen = search(
                views,
                self._read,
                network=self._network,
                family=self._family,
                labels=self._facts.labels,
                checkpoint=checkpoint,
            )
            explained = explained_boxes(
                parameters.boxes, count=len(seen.origins), most=self._max_boxes
            )
            n_masks = parameters.n_masks if algorithm == "drise" else None
            cell_maps = self._cell_maps(views, seen, explained, n_masks, checkpoint)
        small_rgb = resize(image_rgb, reduced_hw(image_rgb.shape[:2], longest=PICTURE_SIDE))
        maps = [_placed(cell_maps[i], views[seen.origins[i].view_id], small_rgb) for i in explained]
        if not all(np.isfinite(map_).all() for map_ in maps):
            raise ExplanationFailed(
                f"{algorithm} met values that are not finite in the network: "
                "its weights may be damaged"
            )
        if algorithm == "xrai" and maps:
            checkpoint()
            maps = _means_of_regions(maps, small_rgb, fast=parameters.xrai_fast)
        return DetectorExplanation(small_rgb, seen.found, explained, tuple(maps))

    @torch.no_grad()
    def propose(self, images_rgb: NDArray[np.uint8]) -> tuple[Candidates, Geometry]:
        """What the network proposes for images (N, H, W, 3), each as a whole, without tiles.

        Thresholds and NMS have not chosen yet; boxes are in canvas pixels, and the geometry, that
        of all canvases, tells where they lie on the images.
        """
        canvases = [layout(self._settings)(image, None) for image in images_rgb]
        pixels = np.stack([canvas.pixels for canvas in canvases])
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            return self._decoded(self._normalized(pixels)), canvases[0].geometry

    def _algorithm(self, parameters: XaiParameters) -> str:
        algorithm = parameters.xai_algorithm or self._algorithms[0]
        if algorithm not in self._algorithms:
            raise BadRequest(
                f"xai_algorithm must be one of {', '.join(self._algorithms)} for a detector, "
                f"got {algorithm!r}"
            )
        return algorithm

    def _read(self, view: View) -> Evidence:
        return self._family.read_evidence(self._network, self._canvas(view))

    def _canvas(self, view: View) -> Tensor:
        return self._normalized(view.canvas.pixels[None])

    def _normalized(self, canvases: NDArray[np.uint8]) -> Tensor:
        preprocessing = self._facts.preprocessing
        pixels = normalize(canvases, mean=preprocessing.mean, std=preprocessing.std)
        return torch.from_numpy(pixels).to(self._device)

    def _decoded(self, canvases: Tensor) -> Candidates:
        outputs = self._network(canvases)
        return self._family.decode(outputs if isinstance(outputs, tuple) else (outputs,))

    def _cell_maps(
        self,
        views: Sequence[View],
        seen: Search,
        explained: Sequence[int],
        n_masks: int | None,
        checkpoint: Checkpoint,
    ) -> dict[int, list[CellMap]]:
        """Maps of each explained object: by D-RISE where there is a number of masks, else ODAM."""
        maps: dict[int, list[CellMap]] = {}
        for view_id in sorted({seen.origins[i].view_id for i in explained}):
            checkpoint()
            mine = [i for i in explained if seen.origins[i].view_id == view_id]
            rows, label_ids = (
                torch.tensor([seen.origins[i].row for i in mine], device=self._device),
                torch.tensor([seen.origins[i].label_id for i in mine], device=self._device),
            )
            evidence = seen.evidence or self._read(views[view_id])
            if n_masks is None:
                found = odam(evidence, rows, label_ids)
            else:
                found = self._drise(
                    views[view_id], evidence.candidates, rows, label_ids, n_masks, checkpoint
                )
            for index, cell_maps in zip(mine, found, strict=True):
                checkpoint()
                maps[index] = cell_maps
        return maps

    def _drise(
        self,
        view: View,
        candidates: Candidates,
        rows: Tensor,
        label_ids: Tensor,
        n_masks: int,
        checkpoint: Checkpoint,
    ) -> Iterator[list[CellMap]]:
        pixels = torch.from_numpy(view.canvas.pixels).to(self._device).permute(2, 0, 1) / 255
        mean, std = (
            torch.tensor(values, device=self._device)[:, None, None]
            for values in (self._facts.preprocessing.mean, self._facts.preprocessing.std)
        )

        @torch.no_grad()
        def find(masks: Tensor) -> Candidates:
            return self._decoded((pixels * masks.to(self._device)[:, None] - mean) / std)

        maps = drise(
            find,
            view.canvas.pixels.shape[:2],
            Targets(candidates.boxes_of(rows, label_ids), label_ids, candidates.scores[rows]),
            n_masks=n_masks,
            batch=_DRISE_BATCH[self._device.type],
            checkpoint=checkpoint,
        )
        grid = Grid(view.canvas.pixels.shape[:2], stride=1, center=0.5)
        yield from ([CellMap(map_.numpy(), grid)] for map_ in maps)


def _refuse_options_of_classifiers(parameters: XaiParameters) -> None:
    asked = {
        "target_classes": parameters.target_classes is not None,
        "baselines": parameters.baselines is not None,
        'n_steps "auto"': parameters.n_steps == "auto",
        "return_delta": parameters.return_delta,
    }
    for option, is_asked in asked.items():
        if is_asked:
            raise BadRequest(f"{option} is for classifiers; name objects with boxes")


def explained_boxes(wanted: Sequence[int] | None, *, count: int, most: int) -> tuple[int, ...]:
    """Which of `count` boxes to explain, rising: those that are wanted, else the first `most`.

    Raises BadRequest for a box that is not there, and for more than `most`.
    """
    if wanted is None:
        return tuple(range(min(count, most)))
    for index in wanted:
        if not 0 <= index < count:
            places = f"must be in 0…{count - 1}" if count else "must be empty"
            raise BadRequest(
                f"xai_parameters.boxes {places}, since {count} objects were found, got {index}"
            )
    chosen = sorted(set(wanted))
    if len(chosen) > most:
        raise BadRequest(f"xai_parameters.boxes may name {most} boxes, got {len(chosen)}")
    return tuple(chosen)


def _means_of_regions(
    maps: Sequence[Map], image_rgb: NDArray[np.uint8], *, fast: bool
) -> list[Map]:
    """XRAI's second half, with these maps in place of integrated gradients."""
    segments = find_segments(image_rgb.astype(np.float32))
    return [region_map(map_, segments, fast=fast).astype(np.float32) for map_ in maps]


def _with_outlines(settings: DetectionSettings) -> DetectionSettings:
    """Ask for polygons, which pictures show, whatever form the answer has."""
    if isinstance(settings, SegmentationSettings):
        return settings.model_copy(update={"export_as_image": False})
    return settings


def _placed(cell_maps: Sequence[CellMap], view: View, small_rgb: NDArray[np.uint8]) -> Map:
    height, width = small_rgb.shape[:2]
    return place(cell_maps, view.canvas.geometry, image_hw=view.size_hw, size_hw=(height, width))
