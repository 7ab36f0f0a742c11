"""Explanation methods: one file per method, found by looking into this folder."""

from importlib import import_module
from pkgutil import iter_modules

from xai.methods.base import METHODS, Method, Subject, method_named, method_of, register

__all__ = ["METHODS", "Method", "Subject", "method_named", "method_of", "register"]

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
