"""The committed list of labels that training leaves out: readable, without doubles, of training clips alone."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tracknetv5.data.readers import HIDDEN, UNLABELLED, Clip, exclude
from tracknetv5.training.config import read_config

ROOT = Path(__file__).parents[1]
DATA = read_config(ROOT / "benchmarks/training/lite.toml").data
PATH = ROOT / DATA.exclude


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return pd.read_csv(PATH)


def test_every_row_takes_away_one_label(table):
    clips = []
    for full_name, rows in table.groupby("clip"):
        sport, name = full_name.split("/")
        count = rows["frame"].max() + 1
        nowhere, hidden = np.full((count, 2), np.nan), np.full(count, HIDDEN, np.int8)
        clips.append(Clip(name, sport, "", "", Path(), nowhere, hidden, np.zeros(count, np.int8)))
    assert sum((clip.visibility == UNLABELLED).sum() for clip in exclude(clips, PATH)) == len(table) > 0


def test_every_row_has_its_reason(table):
    assert list(table.columns) == ["clip", "frame", "why"]
    assert table["why"].str.contains(r"\w+ \w+").fillna(False).all()


def test_no_clip_of_the_list_is_one_that_the_published_accuracy_was_measured_on(table):
    report = json.loads((ROOT / "benchmarks/results/accuracy_val.json").read_text())
    assert not {clip["clip"] for clip in report["data"]} & set(table["clip"])


def test_every_row_is_a_frame_of_a_training_clip(table):
    index = ROOT / DATA.root / "clips.csv"
    if not index.is_file():
        pytest.skip("the labelled clips are not here")
    clips = pd.read_csv(index)
    training = clips[clips["split"] == "train"]
    counts = dict(zip(training["sport"] + "/" + training["clip"], training["frames"], strict=True))
    assert (table["frame"] < table["clip"].map(counts)).all() and (table["frame"] >= 0).all()
