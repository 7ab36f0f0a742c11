"""Model families: one file per kind, found by looking into this folder; data, not subclasses."""

from importlib import import_module
from pkgutil import iter_modules

from inference.families.base import (
    FAMILIES,
    CamLayer,
    DetectorFamily,
    Family,
    classifier_named,
    detector_named,
    family_for,
    register,
)

__all__ = [
    "FAMILIES",
    "CamLayer",
    "DetectorFamily",
    "Family",
    "classifier_named",
    "detector_named",
    "family_for",
    "register",
]

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
