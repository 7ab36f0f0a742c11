"""Pascal VOC's XML files: one image each, its size and its objects."""

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from training.data.label_values import class_name, flag


@dataclass(frozen=True, slots=True)
class VocObject:
    """One `object`; the box is in pixels."""

    name: str
    box_xyxy: tuple[float, float, float, float]
    is_difficult: bool


@dataclass(frozen=True, slots=True)
class VocFile:
    """One image. size_hw is (0, 0) where the file does not say; `problems` are unusable objects."""

    filename: str
    size_hw: tuple[int, int]
    objects: tuple[VocObject, ...]
    problems: tuple[str, ...]


def read_voc(path: Path) -> VocFile:
    """Read one file. Raises ValueError for what is no XML of VOC, or declares entities."""
    root = _root(path)
    if root.tag != "annotation":
        raise ValueError(f"is no VOC file: its root is <{root.tag}>, not <annotation>")
    objects, problems = [], []
    for index, node in enumerate(root.iterfind("object")):
        try:
            objects.append(_object(node))
        except ValueError as error:
            problems.append(f"object {index}: {error}")
    return VocFile(_text(root, "filename"), _size_hw(root), tuple(objects), tuple(problems))


class _NoDoctype(ElementTree.TreeBuilder):
    """Entities, which can grow without bound or name other files, need a document type."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        """Refuse it."""
        raise ValueError("declares a document type, which VOC files have no need of")


def _root(path: Path) -> ElementTree.Element:
    try:
        parser = ElementTree.XMLParser(target=_NoDoctype())
        return ElementTree.fromstring(path.read_bytes(), parser)
    except ElementTree.ParseError as error:
        raise ValueError(f"is not valid XML: {error}") from None
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None


def _object(node: ElementTree.Element) -> VocObject:
    x1, y1, x2, y2 = (_number(node, f"bndbox/{key}") for key in ("xmin", "ymin", "xmax", "ymax"))
    return VocObject(
        class_name(_text(node, "name"), place="name"),
        (x1, y1, x2, y2),
        flag(_text(node, "difficult"), place="difficult"),
    )


def _size_hw(root: ElementTree.Element) -> tuple[int, int]:
    height, width = (_text(root, f"size/{key}") for key in ("height", "width"))
    return (int(height), int(width)) if height.isdecimal() and width.isdecimal() else (0, 0)


def _number(node: ElementTree.Element, key: str) -> float:
    try:
        return float(_text(node, key))
    except ValueError:
        raise ValueError(f"{key} must be a number, got {_text(node, key)!r}") from None


def _text(node: ElementTree.Element, key: str) -> str:
    return (node.findtext(key) or "").strip()
