"""The commands that the documentation shows, and whether the programs would take them."""

import importlib
import re
import shlex
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import typer

from client import command_line
from serving.arguments import Arguments

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_SHELLS = ("bash", "sh", "console", "shell")
_NOT_RUN = re.compile(r"<!-- not run: .+ -->\s*$")
_MENTION = re.compile(r"`((?:python -m|make|bentoml) [^`]+)`")
_SETTING = re.compile(r"[A-Z_]+=\S*")  # VARIABLE=value before a command
_OURS = ("python", "python3", "make", "bentoml", "mkdocs")
# What belongs to the shell or to other programs; the rest must be ours or marked.
_OTHERS = frozenset(
    {
        "cd",
        "curl",
        "docker",
        "export",
        "git",
        "kubectl",
        "mkdir",
        "pip",
        "podman",
        "srun",
        "torchrun",
    }
)
_REPO_FILE = re.compile(r"(examples|tests|docs|load_tests|deploy)/[\w./-]+\.(yml|yaml|py|md)")


@dataclass(frozen=True, slots=True)
class Command:
    """One command line of a page, comments and continuations resolved."""

    page: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}: {' '.join(self.words)}"


def commands_of(path: Path) -> Iterator[Command]:
    """Yield the commands of a page's blocks; of a block without a language, ours alone."""
    text = path.read_text(encoding="utf-8")
    page = path.relative_to(ROOT).as_posix()
    for block in _FENCE.finditer(text):
        language, body = block[2], block[3]
        if language not in ("", *_SHELLS) or _NOT_RUN.search(text[: block.start()]):
            continue
        for line in body.replace("\\\n", " ").splitlines():
            command = _words(line)
            if command and (command[0] in _OURS or language in _SHELLS):
                yield Command(page, command)


def mentions_of(path: Path) -> Iterator[Command]:
    """Yield the commands that a page's text names, which may be without their arguments."""
    page = path.relative_to(ROOT).as_posix()
    for mention in _MENTION.findall(path.read_text(encoding="utf-8")):
        if "|" not in mention:  # "convert coco|voc" stands for several
            yield Command(page, _words(" ".join(mention.split())))


def _words(line: str) -> tuple[str, ...]:
    """Split a line as a shell would; prompts, variables and the folder of the program go."""
    line = line.strip().removeprefix("$ ")
    try:
        words = shlex.split(line, comments=True)
    except ValueError:  # a quotation that goes on in the next line: a request's body
        words = line.split()
    while words and _SETTING.fullmatch(words[0]):
        words = words[1:]
    bare = [word for word in (word.strip("[]") for word in words) if word != "…"]
    return (bare[0].removeprefix(".venv/bin/"), *bare[1:]) if bare else ()


def mistake(words: Sequence[str]) -> str | None:
    """Say what is wrong with a command, None if its program would take it."""
    for word in words:
        if (file := _REPO_FILE.fullmatch(word)) and not (ROOT / file[0]).exists():
            return f"{word} does not exist"
    check = _CHECKS.get(words[0])
    if check is not None:
        return check(words[1:])
    is_known = words[0] in _OTHERS or words[0].startswith(("-", "|", "}", "'"))
    return None if is_known else f"unknown program {words[0]}; mark the block as not run"


def _python(words: Sequence[str]) -> str | None:
    if words[0] == "client.py":
        return _as_mistake(lambda: command_line().parse_args(list(words[1:])))
    if len(words) < 2 or words[0] != "-m":
        return "only `python -m MODULE` and `python client.py` are documented"
    module = words[1]
    if find_spec(module) is None:
        return f"there is no module {module}"
    app = _app(module)
    return None if app is None else _parse(app, module, words[2:])


@cache
def _app(module: str) -> Any:
    """The command tree of `python -m module`, if it is one of Typer's."""
    spec = find_spec(module)
    if spec is None or spec.submodule_search_locations is None:
        return None
    return typer.main.get_command(importlib.import_module(f"{module}.__main__").app)


@cache
def _bentoml_app() -> Any:
    with warnings.catch_warnings(action="ignore"):  # about libraries that BentoML uses
        from bentoml_cli.cli import create_bentoml_cli

        return create_bentoml_cli()


def _bentoml(words: Sequence[str]) -> str | None:
    for flag, value in pairwise(words):
        name = value.partition("=")[0]
        if flag == "--arg" and name not in Arguments.model_fields:
            return f"the server has no argument {name}"
    with warnings.catch_warnings(action="ignore"):  # it has options twice
        return _parse(_bentoml_app(), "bentoml", words)


def _parse(app: Any, name: str | None, words: Sequence[str]) -> str | None:
    """Parse as the program does, subcommands too; nothing is run.

    Typer has a copy of click inside, so classes tell nothing: what has subcommands is a group.
    """

    def parse() -> None:
        command, part, rest, context = app, name, list(words), None
        while hasattr(command, "resolve_command"):
            context = command.make_context(part, list(rest), parent=context)
            part, command, rest = command.resolve_command(context, rest)
        command.make_context(part, rest, parent=context)

    return _as_mistake(parse)


def _as_mistake(parse: Callable[[], object]) -> str | None:
    try:
        parse()
    except SystemExit as error:
        return f"exit code {error.code}"
    except Exception as error:  # click's, or those of the copy that Typer has: told by their form
        if hasattr(error, "format_message"):
            return str(error.format_message())
        if not hasattr(error, "exit_code"):  # that of --help is 0
            raise
    return None


def _make(words: Sequence[str]) -> str | None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    wanted = [word for word in words if "=" not in word]
    missing = set(wanted) - targets
    return f"no target {', '.join(sorted(missing))} in the Makefile" if missing else None


_CHECKS: Mapping[str, Callable[[Sequence[str]], str | None]] = {
    "python": _python,
    "python3": _python,
    "make": _make,
    "bentoml": _bentoml,
}
