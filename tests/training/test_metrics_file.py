from training.metrics_file import MetricsFile


def test_a_row_that_a_crash_cut_short_is_left_out(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"epoch": 0}\n{"epoch": 1}\n{"epo')
    assert MetricsFile(path).rows() == [{"epoch": 0}, {"epoch": 1}]


def test_rows_from_an_epoch_on_are_dropped_for_a_resumed_run(tmp_path):
    file = MetricsFile(tmp_path / "metrics.jsonl")
    for epoch in range(3):
        file.append({"epoch": epoch})
    file.keep_before(1)
    assert file.rows() == [{"epoch": 0}]


def test_a_file_that_is_not_there_has_no_rows(tmp_path):
    assert MetricsFile(tmp_path / "metrics.jsonl").rows() == []
