"""Every command that the documentation shows is one that its program takes.

They are parsed by the programs' own command lines and not run: the tests of e2e/, service/ and
load_tests/ run such. A block after `<!-- not run: reason -->` is left out.
"""

import re

import pytest

from tests.docs.commands import PAGES, Command, commands_of, mentions_of, mistake

COMMANDS = [command for page in PAGES for command in commands_of(page)]
MENTIONS = [command for page in PAGES for command in mentions_of(page)]


def test_the_documentation_shows_commands() -> None:
    assert len(COMMANDS) >= 50


@pytest.mark.parametrize("command", dict.fromkeys(COMMANDS), ids=str)
def test_a_documented_command_is_understood(command: Command) -> None:
    assert mistake(command.words) is None


@pytest.mark.parametrize("command", dict.fromkeys(MENTIONS), ids=str)
def test_a_command_in_the_text_exists(command: Command) -> None:
    said = mistake(command.words) or ""
    assert not re.search(r"No such (option|command '[a-z])|no module|no target", said)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("make nothing", "no target nothing"),
        ("python -m training tune", "No such command 'tune'"),
        ("python -m training run", "Missing argument"),
        ("python -m training run job.yml --fast", "No such option"),
        ("python -m training validate examples/none.yml", "examples/none.yml does not exist"),
        ("python -m load_tests slo --url U --seed x", "valid integer"),
        ("python -m nothing", "no module nothing"),
        ("bentoml serve service:Scorer --arg modle=x", "no argument modle"),
        ("bentoml serve service:Scorer --prot 3000", "No such option"),
        ("python client.py URL photo.jpg --drow out", "exit code 2"),
        ("frobnicate", "unknown program"),
    ],
)
def test_a_wrong_command_is_found(line: str, words: str) -> None:
    assert words in str(mistake(line.split()))
