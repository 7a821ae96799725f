"""benchmarks.protocols with a network that sees what is bright, on clips whose ball is a white disc."""

from fractions import Fraction

import cv2
import numpy as np
import pytest
import torch

from benchmarks.protocols import (
    PAPER_THRESHOLD,
    SIZE,
    THRESHOLDS,
    SweepingTracker,
    by_file,
    by_frame,
    by_heatmap,
    held_out,
)
from benchmarks.splits import SPLITS, path_order
from tracknetv5 import Trajectory
from tracknetv5.data.readers import Clip, DatasetError, read_clips
from tracknetv5.models import create_model
from tracknetv5.video import VideoWriter
from tracknetv5.weights import WeightsConfig


class Bright(torch.nn.Module):
    """A heatmap that is bright where the picture is; notes the windows that it sees."""

    options = None

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, frames, background=None):  # (1, T, 3, H, W)
        self.seen.append((frames, background))
        return 20 * (frames.mean(2) - 0.5)


def make_tracker(**facts) -> SweepingTracker:
    return SweepingTracker(Bright(), WeightsConfig(**(dict(model="tracknet_v2", options={}) | facts)), device="cpu")


def ball(frame: int) -> tuple[int, int]:
    return 60 + 10 * frame, 100 + 3 * frame


def picture(frame: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A grey picture of one number a frame, with the ball as it is seen in it."""
    image = np.full((*size, 3), frame, np.uint8)
    return cv2.circle(image, ball(frame), 4, (255, 255, 255), cv2.FILLED)


def write_tennis(root, clip: str, labels: list[tuple]) -> None:
    """A clip of the tennis layout; a label is (visibility, x, y), None for a frame without a row."""
    folder = root / clip
    folder.mkdir(parents=True)
    lines = ["file name,visibility,x-coordinate,y-coordinate,status"]
    for frame, label in enumerate(labels):
        cv2.imwrite(str(folder / f"{frame:04d}.jpg"), picture(frame), [cv2.IMWRITE_JPEG_QUALITY, 100])
        if label is not None:
            lines.append(f"{frame:04d}.jpg,{','.join(map(str, label))},0")
    (folder / "Label.csv").write_text("\n".join(lines))


def true_labels(count: int) -> list[tuple]:
    return [(1, *ball(frame)) for frame in range(count)]


@pytest.fixture
def tennis(tmp_path):
    write_tennis(tmp_path, "game1/Clip1", true_labels(8))
    return tmp_path


def test_frames_are_predicted_once_and_swept_in_the_same_pass(tennis):
    (clip,) = read_clips(tennis)
    tracker = make_tracker()
    scored = by_frame(tracker, clip)
    assert len(tracker.model.seen) == 3  # 8 frames in windows of 3
    assert scored.outcome.tolist() == ["tp"] * 8 and scored.distance.max() < 0.5
    assert scored.at_threshold.shape == (len(THRESHOLDS), 8, 2)
    np.testing.assert_array_equal(scored.at_threshold[THRESHOLDS.index(0.5)], scored.predicted)
    assert scored.second.tolist() == [0] * 8


def test_distances_are_those_of_512_by_288(tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    for frame in range(4):
        cv2.imwrite(str(folder / f"{frame}.png"), picture(frame, (576, 1024)))
    xy = np.array([ball(frame) for frame in range(4)], float)
    xy[0, 0] += 7.8  # pixels of the footage: 3.9 of the network's
    xy[1, 0] += 8.4
    clip = Clip("a", "tennis", "court", "", folder, xy, np.array([1, 1, 1, -1], np.int8), np.zeros(4, np.int8))
    scored = by_frame(make_tracker(), clip)
    assert scored.frame.tolist() == [0, 1, 2] and scored.outcome.tolist() == ["tp", "fp1", "tp"]
    np.testing.assert_allclose(scored.distance, [3.9, 4.2, 0], atol=0.1)


def test_labelled_frames_that_do_not_decode_are_misses(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", SIZE, Fraction(5)) as writer:
        for frame in range(6):
            writer.write(picture(frame))
    xy = np.array([ball(frame) for frame in range(9)], float)
    visibility = np.ones(9, np.int8)
    visibility[7], xy[7] = 0, np.nan
    clip = Clip("a", "tennis", "court", "", tmp_path / "a.mp4", xy, visibility, np.zeros(9, np.int8))
    with pytest.warns(UserWarning, match="3 of 9 labelled frames"):
        scored = by_frame(make_tracker(), clip)
    assert scored.outcome.tolist() == ["tp"] * 6 + ["fn", "tn", "fn"]
    assert scored.second.tolist() == [0] * 5 + [1] * 4
    with pytest.raises(DatasetError, match="ends before its 9 labels"):
        by_heatmap(make_tracker(), clip)


def test_an_onnx_file_for_another_size_is_refused_by_the_papers_protocol(tennis):
    tracker = make_tracker(height=352, width=640)
    (clip,) = read_clips(tennis)
    assert by_heatmap(tracker, clip)[0].outcome.tolist() == ["tp"] * 18
    tracker.runtime = "onnx"
    with pytest.raises(ValueError, match="takes 352 x 640 alone: .* --runtime torch"):
        by_heatmap(tracker, clip)


def test_a_network_with_background_and_a_folder_of_images(tennis):
    (clip,) = read_clips(tennis)
    tracker = make_tracker(background=True)
    assert by_frame(tracker, clip).outcome.tolist() == ["tp"] * 8
    assert by_heatmap(tracker, clip)[0].outcome.tolist() == ["tp"] * 18
    assert all(background is not None for _, background in tracker.model.seen)


def test_a_rectifier_fills_gaps_of_images_as_of_videos(tennis):
    cv2.imwrite(str(tennis / "game1" / "Clip1" / "0004.jpg"), np.zeros((*SIZE, 3), np.uint8))
    (clip,) = read_clips(tennis)
    torch.manual_seed(0)
    rectifier_facts = WeightsConfig(model="inpaintnet", options={}, height=None, width=None, frames=16)
    tracker = make_tracker()
    tracker.rectifier = create_model("inpaintnet").eval(), rectifier_facts
    scored = by_frame(tracker, clip)
    assert scored.outcome.tolist() == ["tp"] * 4 + ["fp1"] + ["tp"] * 3  # an untrained network fills in anything
    assert np.isnan(scored.at_threshold[:, 4]).all() and not np.isnan(scored.at_threshold[5, [3, 5]]).any()


def test_every_heatmap_of_every_window_counts(tennis):
    (clip,) = read_clips(tennis)
    tracker = make_tracker()
    (scored,) = by_heatmap(tracker, clip)
    assert scored.frame.tolist() == [start + k for start in range(6) for k in range(3)]
    assert scored.outcome.tolist() == ["tp"] * 18
    (some,) = by_heatmap(make_tracker(), clip, {4, 1})
    assert some.frame.tolist() == [1, 2, 3, 4, 5, 6]
    seen = [round(255 * float(frames[0, 0, 0, 0, 0])) for frames, _ in tracker.model.seen]
    assert seen == list(range(6))  # the corner of each window's first picture names its frame


def test_papers_truncate_what_is_found_and_what_is_labelled(tmp_path):
    (x, y), (x3, y3) = ball(0), ball(3)
    labels = [(1, x + 4.9, y), (1, ball(1)[0] + 5, ball(1)[1]), (1, *ball(2)), (2, x3 - 3.1, y3 + 0.9)]
    write_tennis(tmp_path, "game1/Clip1", labels)
    (clip,) = read_clips(tmp_path)
    (scored,) = by_heatmap(make_tracker(), clip, {0, 1})
    found = scored.predicted[[0, 1, 2, 5]]
    np.testing.assert_array_equal(found, np.trunc(found))
    assert scored.labelled[0].tolist() == [x + 4, y] and scored.labelled[5].tolist() == [x3 - 4, y3]
    # 4 px away is not near enough for V2, V4 and V5, and is for V3; 5 px is too far for both.
    assert scored.distance[0] == 4 and scored.distance[1] == 5
    assert scored.outcome.tolist() == ["fp1", "fp1", "tp", "fp1", "tp", "fp1"]
    (v3,) = by_heatmap(make_tracker(model="tracknet_v3"), clip)
    assert v3.outcome.tolist() == ["tp", "fp1", "tp", "fp1", "tp", "tp"]


def test_the_papers_decoder_cuts_where_it_is_asked_to(tmp_path, monkeypatch):
    write_tennis(tmp_path, "game1/Clip1", [(1, *ball(frame)) for frame in range(4)])
    (clip,) = read_clips(tmp_path)
    heat = np.zeros(SIZE, np.float32)
    heat[100:104, 200:204], heat[50:53, 60:63] = 0.32, 0.29
    monkeypatch.setattr(
        SweepingTracker, "heatmaps", lambda self, frames, background: ((k, heat) for k, _ in enumerate(frames))
    )
    wanted = {PAPER_THRESHOLD: None, 0.33: None, 0.3: (201, 101), 0.05: (201, 101)}
    for scored, found in zip(by_heatmap(make_tracker(), clip, None, list(wanted)), wanted.values(), strict=True):
        assert np.isnan(scored.predicted).all() if found is None else (scored.predicted == found).all()


def test_a_target_without_place_and_a_frame_without_row(tmp_path):
    write_tennis(tmp_path, "game1/Clip1", [(1, *ball(0)), (2, "", ""), None, (0, "", "")])
    (clip,) = read_clips(tmp_path)
    (scored,) = by_heatmap(make_tracker(), clip)
    assert scored.frame.tolist() == [0, 1, 1, 3]  # frame 2 has no row
    assert scored.outcome.tolist() == ["tp", "fp2", "fp2", "fp2"]
    assert by_frame(make_tracker(), clip).frame.tolist() == [0, 3]


def test_a_network_for_another_size_sees_the_size_of_the_papers(tennis):
    tracker = make_tracker(height=144, width=256)
    assert by_heatmap(tracker, read_clips(tennis)[0])[0].outcome.tolist() == ["tp"] * 18
    assert {tuple(frames.shape[-2:]) for frames, _ in tracker.model.seen} == {SIZE}


def test_windows_of_another_length_are_not_those_of_the_split(tennis):
    with pytest.raises(ValueError, match="hold 3 frames, those of tracknet_v3 8"):
        by_heatmap(make_tracker(model="tracknet_v3", frames=8), read_clips(tennis)[0], {1, 2})


def test_held_out_windows_are_those_of_the_split(tmp_path):
    for clip, count in (("game1/Clip1", 9), ("game1/Clip10", 6), ("game2/Clip1", 7)):
        write_tennis(tmp_path, clip, true_labels(count))
    lengths = {"game1/Clip1": 9, "game1/Clip10": 6, "game2/Clip1": 7}
    names = path_order(lengths)
    for split, divide in SPLITS.items():
        _, starts = held_out(tmp_path, split)
        windows = {(names.index(f"{path.parent.name}/{path.name}"), start + 1)
                   for path in starts for start in starts[path]}  # fmt: skip
        assert windows == set(map(tuple, divide(lengths)[1].tolist()))
    assert [clip.name for clip in held_out(tmp_path, "game")[0]] == ["game1-Clip1", "game1-Clip10"]
    (tmp_path / "game1" / "Clip10" / "0003.jpg").unlink()
    with pytest.raises(DatasetError, match="frame 3"):
        held_out(tmp_path, "game")


def test_nothing_held_out_is_an_error(tmp_path):
    write_tennis(tmp_path, "game2/Clip1", true_labels(4))
    with pytest.raises(DatasetError, match="no window"):
        held_out(tmp_path, "game")


def test_files_are_measured_by_the_same_ruler(tennis, tmp_path):
    (clip,) = read_clips(tennis)
    xy = clip.xy.copy()
    xy[1] += 30
    xy[2] = np.nan
    rows = np.arange(7)
    source = np.where(np.isnan(xy[:7, 0]), "", "detected")
    Trajectory(rows, np.full(7, np.nan), xy[:7], (source != "") * 1.0, source).to_csv(tmp_path / "game1-Clip1.csv")
    with pytest.warns(UserWarning, match="1 of 8 labelled frames"):
        scored = by_file(tmp_path, clip)
    assert scored.outcome.tolist() == ["tp", "fp1", "fn", "tp", "tp", "tp", "tp", "fn"]
    assert scored.at_threshold is None
