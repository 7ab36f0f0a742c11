"""Commands against servers whose behaviour is known."""

import csv
import os
import sys
from pathlib import Path

import psutil
import pytest

from tests.load_tests.conftest import Run
from tests.load_tests.servers import Handler, batching, bounded, delayed, one_at_a_time, serving


def test_sweep_writes_json_csv_markdown_and_a_picture(run: Run, tmp_path: Path) -> None:
    with serving(delayed(0.02)) as url:
        code, _, facts = run("sweep", "--url", url, "--clients", "1,4", "--duration", "0.5")
    assert code == 0
    one, four = facts["rows"]
    assert (one["clients"], four["clients"]) == (1, 4)
    assert four["requests_per_s"] > 1.5 * one["requests_per_s"]
    with (tmp_path / "out" / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["clients"] for row in rows] == ["1", "4"]
    assert {"p50_ms", "p90_ms", "p95_ms", "p99_ms", "p999_ms", "max_ms", "codes"} <= rows[0].keys()
    assert "| clients |" in (tmp_path / "out" / "results.md").read_text()
    assert (tmp_path / "out" / "plot.png").read_bytes().startswith(b"\x89PNG")
    assert {"processor", "cores", "versions", "threads"} <= facts["about"].keys()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("handler", "code"),
    [
        (bounded(0.02, places=4), 0),
        (bounded(0.02, places=4, retry_after=False), 1),
    ],
    ids=["honest", "without Retry-After"],
)
def test_overload_wants_retry_after(
    run: Run, monkeypatch: pytest.MonkeyPatch, handler: Handler, code: int
) -> None:
    monkeypatch.setattr("load_tests.commands.overload._CAPACITY_S", 0.3)
    monkeypatch.setattr("load_tests.commands.overload._QUIET_S", 0.7)
    with serving(handler) as url:
        arguments = ("--factor", "3", "--duration", "1", "--clients", "4")
        ended, _, facts = run("overload", "--url", url, *arguments)
    assert facts["findings"]["rejected"] > 0 or code == 1
    properly = facts["checks"][
        "every request is answered, or rejected with 429/503 and Retry-After"
    ]
    assert properly is (code == 0)
    assert ended == (0 if all(facts["checks"].values()) else 1)
    assert 0.5 < facts["findings"]["goodput ÷ capacity"] < 1.5


@pytest.mark.parametrize(
    ("spreads_errors", "code"), [(False, 0), (True, 1)], ids=["alone", "spreads"]
)
def test_poison_finds_a_server_whose_errors_spread(
    run: Run, spreads_errors: bool, code: int
) -> None:
    with serving(batching(spreads_errors=spreads_errors)) as url:
        arguments = ("--fraction", "0.1", "--clients", "8", "--duration", "1")
        ended, _, facts = run("poison", "--url", url, *arguments)
    assert ended == code
    assert facts["findings"]["damaged requests"] > 0
    assert facts["checks"]["no good request failed"] is not spreads_errors


def test_burst_and_the_lone_request_after_it(run: Run) -> None:
    with serving(delayed(0.01)) as url:
        code, _, facts = run("burst", "--url", url, "--size", "6", "--rounds", "2")
    assert code == 0
    assert [row["ok"] for row in facts["rows"]] == [6, 6]


@pytest.mark.slow
def test_slo_finds_a_rate_below_the_capacity(run: Run) -> None:
    with serving(one_at_a_time(0.05)) as url:  # 20 requests/s
        arguments = ("--p99-ms", "300", "--start", "10", "--precision", "1", "--duration", "0.8")
        code, _, facts = run("slo", "--url", url, *arguments)
    (rate,) = facts["findings"].values()
    assert code == 0
    assert rate < 40
    assert all(row["p99_ms"] <= 300 for row in facts["rows"] if row["kept"])
    assert any(not row["kept"] for row in facts["rows"])


def test_mix_has_scores_alone_and_beside_explanations(run: Run) -> None:
    with serving(delayed(0.01)) as url:
        arguments = ("--rate", "20", "--rounds", "1", "--duration", "0.5")
        code, _, facts = run("mix", "--url", url, *arguments)
    assert code == 0
    phases = [row["phase"] for row in facts["rows"]]
    assert phases == ["scores alone", "scores beside", "explanations"]
    assert facts["findings"]["ratio"] > 0


@pytest.mark.slow
def test_soak_watches_the_memory_of_the_process(run: Run) -> None:
    with serving(delayed(0.01)) as url:
        arguments = ("--pid", str(os.getpid()), "--minutes", "0.02", "--max-slope", "1e9")
        code, _, facts = run("soak", "--url", url, *arguments)
    assert code == 0
    resident = psutil.Process().memory_info().rss / 1e6
    assert facts["findings"]["memory at the end, MB"] == pytest.approx(resident, rel=0.3)


@pytest.mark.slow
def test_detect_has_a_latency_for_each_size(run: Run) -> None:
    with serving(delayed(0.01)) as url:
        arguments = ("--sizes", "32,96", "--rounds", "1", "--duration", "0.5", "--clients", "4")
        code, _, facts = run("detect", "--url", url, "--url", url, *arguments)
    assert code == 0
    assert all(set(row["p50_ms by size"]) == {"32", "96"} for row in facts["rows"])
    assert all(latency >= 10 for row in facts["rows"] for latency in row["p50_ms by size"].values())
    assert facts["checks"] == {"answers equal those given alone": True}


def test_coldstart_is_ready_before_it_scores(run: Run) -> None:
    command = f"{sys.executable} -m load_tests.baselines.echo {{port}}"
    arguments = ("--command", command, "--ready-path", "/", "--rounds", "1")
    code, _, facts = run("coldstart", *arguments)
    assert code == 0
    assert 0 < facts["rows"][0]["ready_s"] <= facts["rows"][0]["first_score_s"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("sweep", "--url", "http://127.0.0.1:9"), "cannot be reached"),
        (("sweep", "--url", "nonsense"), "cannot be reached"),
        (("sweep", "--url", "http://127.0.0.1:9", "--clients", "0"), "positive numbers"),
        (("sweep", "--url", "http://127.0.0.1:9", "--images", "EMPTY"), "holds no image"),
        (("sweep", "--url", "http://127.0.0.1:9", "--images", "nowhere"), "is not a folder"),
        (("compare", "--model", "EMPTY"), "is no model folder"),
        (("compare", "--model", "MODEL", "--baseline", "fastapy"), "did you mean 'fastapi'"),
        (("coldstart", "--command", "false"), "{port}"),
        (("coldstart", "--command", "no-such-program {port}"), "cannot start"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    (tmp_path / "empty").mkdir()
    model = tmp_path / "model"
    model.mkdir()
    for name in ("model.json", "settings.json", "model.onnx"):
        (model / name).touch()
    paths = {"EMPTY": str(tmp_path / "empty"), "MODEL": str(model)}
    code, said, _ = run(*(paths.get(argument, argument) for argument in arguments))
    assert code == 2
    assert words in said
    assert "Traceback" not in said
