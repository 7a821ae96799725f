"""What the config of released weights says of their scores."""

from benchmarks.release import stated_metrics


def test_scores_are_stated_with_their_size_and_intervals_and_the_overall_one_first():
    scores = {"f1": 0.85449, "precision": 0.9, "recall": 0.8}
    intervals = {"f1": [0.77351, 0.9], "precision": [0.8, 1.0], "recall": [0.7, 0.9], "accuracy": [0.6, 0.8]}
    row = scores | {"accuracy": 0.7, "interval_95": intervals, "total": 300}
    stated = stated_metrics({"padel": row | {"clips": 1}, "all": row | {"clips": 2}})
    assert list(stated) == [
        "all, 300 frames in 2 clips of unseen matches (val), 4 px at 512 x 288",
        "padel, 300 frames in 1 clip of unseen matches (val), 4 px at 512 x 288",
    ]
    for figures in stated.values():
        assert (figures["f1"], figures["f1_95"], figures["recall_95"]) == (0.854, [0.774, 0.9], [0.7, 0.9])
        assert not any("accuracy" in name for name in figures)
