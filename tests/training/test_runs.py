import pytest

from inference.errors import UsageError
from training.runs import Run, all_runs, find_run, new_run


def make_run(root, name, experiment="e"):
    with new_run(root, experiment=experiment, name=name) as run:
        (run.path / "job.yaml").write_text("")
        run.new_trial({"a": 1})
    return Run(root / experiment / name)


def test_a_run_appears_whole(tmp_path):
    with new_run(tmp_path, experiment="e", name="a") as run:
        (run.path / "job.yaml").write_text("")
        assert all_runs(tmp_path) == []
    assert [run.name for run in all_runs(tmp_path)] == ["e/a"]


def test_a_run_that_fails_while_it_is_made_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), new_run(tmp_path, experiment="e", name="a"):
        raise RuntimeError
    assert list((tmp_path / "e").iterdir()) == []


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "..", "ü"])
def test_names_that_are_no_folder_names_are_refused(tmp_path, name):
    with pytest.raises(UsageError, match="must consist of"):
        make_run(tmp_path, name)


@pytest.mark.parametrize("name", ["e/a", "a"])
def test_a_run_is_found_by_its_long_and_its_short_name(tmp_path, name):
    run = make_run(tmp_path, "a")
    assert find_run(tmp_path, name).path == run.path


def test_a_short_name_that_two_runs_have_is_ambiguous(tmp_path):
    make_run(tmp_path, "a", experiment="e")
    make_run(tmp_path, "a", experiment="f")
    with pytest.raises(UsageError, match="ambiguous: e/a, f/a"):
        find_run(tmp_path, "a")


def test_a_new_state_drops_the_error_of_the_old_one(tmp_path):
    (trial,) = make_run(tmp_path, "a").trials()
    assert trial.status() == {"state": "new"}
    trial.write_status("failed", error="no space")
    trial.write_status("completed", metrics={"accuracy": 1.0})
    assert set(trial.status()) == {"state", "time", "metrics"}


def test_a_second_process_cannot_work_on_a_run(tmp_path):
    run = make_run(tmp_path, "a")
    with run.locked(), pytest.raises(UsageError, match="another process"), run.locked():
        pass
