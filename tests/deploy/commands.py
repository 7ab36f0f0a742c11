"""Calls of `python -m deploy` in this process; mistakes come out as UsageError."""

from pathlib import Path

from deploy.__main__ import app

A_AND_B = ("--model", "a=90", "--model", "b=10")


def deploy(*words: str | Path, output: Path) -> None:
    app([*map(str, words), "--output", str(output)], standalone_mode=False)


def render(target: str, *words: str, output: Path) -> None:
    deploy("render", "--target", target, *words, output=output)
