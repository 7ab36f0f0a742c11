from pathlib import Path

import orjson
import pytest

from load_tests.contestants import baselines
from tests.load_tests.conftest import Run
from tests.model_folders import write_model_folder


def test_baselines_are_named_or_all(tmp_path: Path) -> None:
    chosen = baselines(["litserve", "litserve"], tmp_path, decoder="pillow")
    assert {contestant.name.split()[0] for contestant in chosen} == {"litserve"}
    assert len({contestant.name for contestant in chosen}) == len(chosen)
    every = [contestant.name.split()[0] for contestant in baselines([], tmp_path, decoder="pillow")]
    assert list(dict.fromkeys(every)) == ["fastapi", "bentoml", "litserve"]


@pytest.mark.slow
def test_all_servers_answer_alike_and_get_ratios(run: Run, tmp_path: Path) -> None:
    model = write_model_folder(tmp_path / "model", onnx=True)
    arguments = ("--model", str(model.path), "--clients", "1,8", "--rounds", "1")
    code, said, facts = run("compare", *arguments, "--duration", "1")
    assert code == 0, said
    names = {row["server"].split()[0] for row in facts["table"]}
    assert names == {"sightline-onnxruntime", "fastapi", "bentoml", "litserve", "in-process"}
    assert all(row["errors"] == 0 for row in facts["rows"] if "errors" in row)
    gaps = [value for name, value in facts["findings"].items() if name.startswith("answers of")]
    assert len(gaps) >= 3
    assert max(gaps) < 0.02
    best = facts["findings"]["best peer at 8 clients"]
    assert best.split()[0] in ("fastapi", "bentoml", "litserve")
    ratio = {row["server"]: row["÷ best peer"] for row in facts["table"] if row["clients"] == 8}
    assert ratio[best] == 1.0


@pytest.mark.slow
def test_a_server_with_other_answers_is_no_contestant(run: Run, tmp_path: Path) -> None:
    """The graph of other weights than ours: the torch engine and the baselines disagree."""
    model = write_model_folder(tmp_path / "model", onnx=True)
    other = write_model_folder(tmp_path / "other", onnx=True, seed=1)
    (model.path / "model.onnx").write_bytes((other.path / "model.onnx").read_bytes())
    facts_file = model.path / "model.json"
    without_hashes = orjson.loads(facts_file.read_bytes()) | {"files": {}}
    facts_file.write_bytes(orjson.dumps(without_hashes))
    arguments = ("--model", str(model.path), "--engine", "torch", "--baseline", "fastapi")
    code, said, facts = run("compare", *arguments)
    assert code == 2
    assert "answers the same photos otherwise" in said
    assert facts == {}
