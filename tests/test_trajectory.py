import csv
import json
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from tracknetv5.rectify import repair_mask
from tracknetv5.trajectory import Point, Trajectory

FPS = Fraction(30)


def trajectory(xy, *, hidden=(), source=None, time=None, frame=None, size=(720, 1280)) -> Trajectory:
    """`xy` (N, 2); rows in `hidden` have no ball."""
    xy = np.array(xy, float)
    xy[list(hidden)] = np.nan
    seen = ~np.isnan(xy[:, 0])
    frame = np.arange(len(xy)) if frame is None else frame
    time = np.arange(len(xy)) / float(FPS) if time is None else time
    source = np.where(seen, "detected", "") if source is None else source
    return Trajectory(frame, time, xy, np.where(seen, 0.8, 0), source, size, FPS)


def parabola(count=30):
    t = np.arange(count)
    return np.stack([200 + 14.0 * t, 500 - 16 * t + 0.6 * t**2], 1)


def bounce(count=30, at=14.5, speed=12.0):
    """The ball falls on the ground at frame `at` and rises with most of its speed."""
    t = np.arange(count) - at
    vertical = np.where(t < 0, speed * t, -0.8 * speed * t)
    return np.stack([300 + 10 * t, 600 + vertical + 0.4 * t**2], 1)


# --- checks


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"frame": [0, 1]}, "time must have the shape"),
        ({"frame": [0, 2, 1]}, "frame must count up"),
        ({"frame": [-1, 0, 1]}, "frame must count up"),
        ({"time": [0, 0.1, 0.1]}, "time must be finite and increasing"),
        ({"time": [0, np.nan, 0.2]}, "time must be finite and increasing"),
        ({"xy": [[1, 2], [3, 4]]}, "xy must have the shape"),
        ({"xy": [[1, 2], [np.nan, 4], [np.nan, np.nan]]}, "xy must be two finite numbers"),
        ({"xy": [[1, 2], [np.inf, 4], [np.nan, np.nan]]}, "xy must be two finite numbers"),
        ({"score": [0.5, 1.5, 0]}, "score must lie between 0 and 1"),
        ({"score": [0.5, np.nan, 0]}, "score must lie between 0 and 1"),
        ({"score": [0.5, 0.5, 0.5]}, "0 where there is no ball"),
        ({"source": ["detected", "guessed", ""]}, "source must be one of"),
        ({"source": ["detected", "interpolated?", ""]}, "source must be one of"),
        ({"source": ["detected", "", ""]}, "source must be empty exactly where xy is NaN"),
        ({"source": ["detected"] * 3}, "source must be empty exactly where xy is NaN"),
        ({"size": (0, 5)}, "size must be"),
        ({"fps": Fraction(0)}, "fps must be positive"),
    ],
)
def test_what_does_not_fit_together_is_refused(change, reason):
    good = {
        "frame": [0, 1, 2],
        "time": [0, 0.1, 0.2],
        "xy": [[1, 2], [3, 4], [np.nan, np.nan]],
        "score": [0.5, 0.5, 0],
        "source": ["detected", "detected", ""],
    }
    assert len(Trajectory(**good)) == 3
    with pytest.raises(ValueError, match=reason):
        Trajectory(**(good | change))


def test_arrays_have_the_promised_types():
    built = Trajectory([0], [0], [[1, 2]], [1], np.array(["detected"], dtype=object))
    assert [built.frame.dtype, built.time.dtype, built.xy.dtype, built.score.dtype] == [int, float, float, float]
    assert built.source.dtype.kind == "U"


# --- runs and speed


def test_runs():
    assert trajectory(parabola(10), hidden=[0, 3, 4, 9]).runs() == [(1, 2), (5, 8)]
    assert trajectory(parabola(4)).runs() == [(0, 3)]
    assert trajectory(parabola(3), hidden=[0, 1, 2]).runs() == []
    assert trajectory(parabola(4), frame=[0, 1, 5, 6]).runs() == [(0, 1), (2, 3)]
    assert Trajectory([], [], np.zeros((0, 2)), [], []).runs() == []


def test_speed_is_per_second_and_not_carried_across_gaps():
    xy = [(0, 0), (3, 4), (6, 8), (50, 50), (56, 58)]
    moved = trajectory(xy, hidden=[2], time=[0, 0.1, 0.2, 0.3, 0.35])
    np.testing.assert_allclose(moved.speed(), [np.nan, 50, np.nan, np.nan, 200])
    skipped = trajectory(xy, frame=[0, 1, 2, 7, 8])
    np.testing.assert_allclose(skipped.speed()[:4], [np.nan, 150, 150, np.nan])


def test_a_repeated_frame_neither_stops_the_ball_nor_hurries_it():
    xy = [(0, 0), (3, 4), (3, 4), (9, 12), (12, 16)]
    moved = replace(trajectory(xy, time=[0, 0.1, 0.2, 0.3, 0.4]), repeats=(2,))
    np.testing.assert_allclose(moved.speed(), [np.nan, 50, 50, 50, 50])


def test_a_repeated_frame_is_no_second_look_at_the_flight():
    seen = trajectory(np.full((30, 2), 100.0), hidden=(11, 12))
    assert seen.fill_gaps(5).visible.all()
    assert not replace(seen, repeats=range(1, 11)).fill_gaps(5).visible[11:13].any()  # one look is left before it


# --- cuts


def test_nothing_leads_across_a_cut():
    xy = parabola()
    seen = replace(trajectory(xy, hidden=(12, 13, 20, 21)), cuts=(13, 25), repeats=[3])
    assert seen.shot.tolist() == [0] * 13 + [1] * 12 + [2] * 5
    assert seen.runs() == [(0, 11), (14, 19), (22, 24), (25, 29)]
    assert np.isnan(seen.speed()[25]) and not np.isnan(seen.speed()[24])
    filled = seen.fill_gaps(5)
    assert np.flatnonzero(~filled.visible).tolist() == [12, 13]
    assert not replace(seen, cuts=(13, 23)).fill_gaps(5).visible[[20, 21]].any()  # one ball behind it in its shot
    assert (filled.cuts, filled.repeats) == ((13, 25), (3,))
    assert not repair_mask(seen)[[12, 13]].any() and repair_mask(seen)[[20, 21]].all()


def test_points_tell_cuts_and_repeats():
    points = [Point(k, None, 0.0, "", k / 30, picture) for k, picture in enumerate(("new", "repeat", "cut", "new"))]
    assert Trajectory.from_points(points).repeats == (1,) and Trajectory.from_points(points).cuts == (2,)
    with pytest.raises(ValueError, match="cuts must be increasing frame numbers"):
        replace(Trajectory.from_points(points), cuts=(2, 2))


# --- gaps


def test_a_repeated_frame_in_a_gap_gets_the_point_of_the_one_that_it_repeats():
    xy = np.repeat(parabola(12), np.where(np.arange(12) == 6, 2, 1), axis=0)  # rows 6 and 7 are one picture
    filled = replace(trajectory(xy, hidden=(5, 6, 7)), repeats=(7,)).fill_gaps(5)
    assert filled.source[5:8].tolist() == ["interpolated"] * 3
    assert filled.xy[7].tolist() == filled.xy[6].tolist() != filled.xy[5].tolist()


@pytest.mark.parametrize("length", [1, 2, 3, 5])
@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_a_gap_in_a_parabola_is_filled_and_marked(length, noise):
    xy = parabola()
    hidden = np.arange(12, 12 + length)
    seen = trajectory(xy + np.random.default_rng(0).normal(0, noise, xy.shape), hidden=hidden)
    filled = seen.fill_gaps(5)
    assert filled.visible.all()
    np.testing.assert_allclose(filled.xy[hidden], xy[hidden], atol=1)
    assert set(filled.source[hidden]) == {"interpolated"} and not filled.score[hidden].any()
    others = np.setdiff1d(np.arange(30), hidden)
    np.testing.assert_array_equal(filled.xy[others], seen.xy[others])
    assert set(filled.source[others]) == {"detected"}
    assert not seen.visible.all()  # a copy
    np.testing.assert_array_equal(filled.fill_gaps(5).xy, filled.xy)


@pytest.mark.parametrize("noise", [0.0, 0.5])
@pytest.mark.parametrize(
    ("hidden", "at"), [((14,), 14), ((14, 15), 14.5), ((13, 14, 15), 14), ((13, 14, 15, 16), 13.2)]
)
def test_a_bounce_in_the_gap_is_not_filled(hidden, at, noise):
    xy = bounce(at=at)
    seen = trajectory(xy + np.random.default_rng(0).normal(0, noise, xy.shape), hidden=hidden)
    filled = seen.fill_gaps(5)
    assert not filled.visible[list(hidden)].any()
    assert set(filled.source) == {"", "detected"}


def test_a_slow_bounce_is_hardly_missed():
    xy = bounce(at=14, speed=3.5)
    np.testing.assert_allclose(trajectory(xy, hidden=(13, 14, 15)).fill_gaps(5).xy, xy, atol=0.014 * 720)


@pytest.mark.parametrize("hidden", [1, 3, 5, 9])
@pytest.mark.parametrize("rate", [10, 15, 30, 60])
@pytest.mark.parametrize("speed", [60, 300, 900, 1800])
def test_a_bounce_or_hit_filled_as_a_flight_is_hardly_missed(hidden, rate, speed):
    """At any frame rate and speed (pixels a second), in gaps of any length."""
    time = np.arange(30) / rate
    for across in (np.abs(time - time[14]), time):  # a hit straight back; a bounce
        xy = np.stack([640 + speed * across, 600 - speed * np.abs(time - time[14])], 1)
        rows = range(14 - hidden // 2, 15 + hidden // 2)
        filled = replace(trajectory(xy, hidden=rows, time=time), size=None).fill_gaps(9)
        missed = np.linalg.norm(filled.xy - xy, axis=1)[filled.visible]
        assert missed.max() < 0.02 * 720


def test_a_ball_that_would_have_left_the_frame_is_not_filled():
    t = np.arange(30.0)
    xy = np.stack([300 + 5 * t, (t - 14) ** 2 - 2], 1)  # three frames above the upper edge
    assert not trajectory(xy, hidden=(13, 14, 15)).fill_gaps().visible[[13, 14, 15]].any()
    assert trajectory(xy + (0, 2), hidden=(13, 14, 15)).fill_gaps().visible.all()


def test_a_hit_in_the_gap_is_not_filled():
    t = np.arange(30)
    xy = np.stack([np.where(t < 15, 20.0 * t, 600 - 20 * t), 300 + 0.0 * t], 1)
    assert not trajectory(xy, hidden=(14, 15, 16)).fill_gaps(5).visible.all()


def test_a_gap_before_another_ball_that_flies_in_parallel_is_not_filled():
    t = np.arange(20.0)
    xy = np.stack([100 + 10 * t, np.where(t < 12, 300, 360)], 1)
    assert not trajectory(xy, hidden=(10, 11)).fill_gaps(5).visible[[10, 11]].any()


def test_the_gap_next_to_a_bounce_is_filled_when_its_own_sides_agree():
    filled = trajectory(bounce(at=8), hidden=(20, 21)).fill_gaps(5)
    np.testing.assert_allclose(filled.xy[[20, 21]], bounce(at=8)[[20, 21]], atol=1)


def test_variable_frame_rate_is_fitted_in_time():
    time = np.cumsum(np.random.default_rng(1).uniform(0.02, 0.06, 30))
    xy = np.stack([100 + 400 * time, 500 - 480 * time + 500 * time**2], 1)
    filled = trajectory(xy, hidden=(12, 13, 14), time=time).fill_gaps(3)
    np.testing.assert_allclose(filled.xy, xy, atol=1e-6)


def test_unknown_times_fall_back_on_frames():
    filled = trajectory(parabola(), hidden=(12, 13), time=np.full(30, np.nan)).fill_gaps(3)
    np.testing.assert_allclose(filled.xy, parabola(), atol=1e-6)


@pytest.mark.parametrize(
    ("hidden", "max_frames"),
    [
        ((12, 13, 14), 2),  # longer than allowed
        ((12,), 0),
        ((0, 1), 5),  # nothing before
        ((28, 29), 5),  # nothing after
        ((1, 2), 5),  # only one point before
        ((8, 9, 10, 12, 13, 14), 5),  # the middle point is too few for either gap
    ],
)
def test_gaps_that_stay(hidden, max_frames):
    filled = trajectory(parabola(), hidden=hidden).fill_gaps(max_frames)
    assert not filled.visible[list(hidden)].any()


def test_only_detected_points_count_as_seen():
    source = np.full(30, "detected", dtype="<U12")
    source[[12, 13]], source[8:11] = "", "rectified"
    assert not trajectory(parabola(), hidden=(12, 13), source=source).fill_gaps(5).visible.all()


def test_tolerance_grows_with_the_frame():
    """The same disagreement in pixels is more in a small frame."""
    xy, hidden = bounce(at=14, speed=9), (13, 14, 15)
    assert trajectory(xy, hidden=hidden, size=(2160, 3840)).fill_gaps(5).visible.all()
    assert not trajectory(xy, hidden=hidden, size=(360, 640)).fill_gaps(5).visible.all()


def test_negative_max_frames():
    with pytest.raises(ValueError, match="max_frames must be 0 or more"):
        trajectory(parabola()).fill_gaps(-1)


# --- files


def mixed() -> Trajectory:
    return Trajectory(
        frame=[3, 4, 5, 6],
        time=[0.1, 0.133333, 0.166667, 0.2],
        xy=[[10.126, 20.5], [np.nan, np.nan], [1279.5, 0.25], [0, 0]],
        score=[0.91234, 0, 0, 0.5],
        source=["detected", "", "interpolated", "rectified"],
        size=(720, 1280),
        fps=Fraction(30000, 1001),
    )


def test_csv_is_exactly_what_was_promised(tmp_path):
    mixed().to_csv(tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes().decode() == (
        "Frame,Visibility,X,Y,Score,Source,Time\n"
        "3,1,10.13,20.50,0.9123,detected,0.100000\n"
        "4,0,0,0,0.0000,,0.133333\n"
        "5,1,1279.50,0.25,0.0000,interpolated,0.166667\n"
        "6,1,0.00,0.00,0.5000,rectified,0.200000\n"
    )


def test_csv_round_trip(tmp_path):
    mixed().to_csv(tmp_path / "out.csv")
    back = Trajectory.from_csv(tmp_path / "out.csv")
    np.testing.assert_array_equal(back.frame, mixed().frame)
    np.testing.assert_array_equal(back.source, mixed().source)
    np.testing.assert_allclose(back.xy, mixed().xy, atol=0.005)
    np.testing.assert_allclose(back.score, mixed().score, atol=5e-5)
    np.testing.assert_allclose(back.time, mixed().time, atol=1e-6)
    back.to_csv(tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "out.csv").read_bytes()


def test_tables_of_other_tools(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("\ufeffFrame,Visibility,X,Y\n0,1,10,20\n1,0,0,0\n2,-1,0,0\n3,2.0,30.5,40\n", encoding="utf-8")
    labels = Trajectory.from_csv(path)
    assert labels.frame.tolist() == [0, 1, 3]
    np.testing.assert_array_equal(labels.xy, [[10, 20], [np.nan, np.nan], [30.5, 40]])
    assert labels.source.tolist() == ["detected", "", "detected"] and labels.score.tolist() == [1, 0, 1]
    assert np.isnan(labels.time).all()
    labels.to_csv(tmp_path / "out.csv")
    assert np.isnan(Trajectory.from_csv(tmp_path / "out.csv").time).all()
    path.write_text("Frame,Visibility,X,Y\n")
    assert len(Trajectory.from_csv(path)) == 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has no column Frame, Visibility, X, Y"),
        ("Frame,X,Y\n0,1,2\n", "has no column Visibility"),
        ("Frame,Visibility,X,Y\n0,1,10,20\n1,1,ten,20\n", "line 3: .*ten"),
        ("Frame,Visibility,X,Y\n0,1,10\n", "line 2: "),
        ("Frame,Visibility,X,Y\n1,1,10,20\n1,1,10,20\n", "frame must count up"),
        ("Frame,Visibility,X,Y\n1,1,nan,20\n", "xy must be"),
        ("Frame,Visibility,X,Y\n0,1,10,20\n1e30,1,10,20\n", "line 3: .*too large"),
        ("Frame,Visibility,X,Y\n0,1,10,20\ninf,1,10,20\n", "line 3: .*infinity"),
        ("Frame,Visibility,X,Y\n0,inf,10,20\n", "line 2: .*infinity"),
        ("Frame,Visibility,X,Y\n0,1,\0,20\n", "line 2: "),
        ("Frame\0,Visibility,X,Y\n0,1,10,20\n", "has no column Frame"),
        ("Frame,Visibility,X,Y\n0,1,1" + 200_000 * "0" + ",20\n", "field larger than field limit"),
        ("Frame;Visibility;X;Y\n0;1;10;20\n", "not separated by commas"),
        ("Frame,Visibility,X,Y" + 200_000 * "0" + "\n0,1,10,20\n", "field larger than field limit"),
    ],
    ids=lambda text: text[:40],
)
def test_broken_tables_are_refused_by_name(tmp_path, text, reason):
    path = tmp_path / "broken.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"broken\.csv.*{reason}"):
        Trajectory.from_csv(path)


def test_a_table_in_another_encoding_is_refused_by_name(tmp_path):
    path = tmp_path / "excel.xls"
    path.write_bytes(b"Frame,Visibility,X,Y\n0,1,10,20\n\xbc\n")
    with pytest.raises(ValueError, match=r"excel\.xls: is no text in UTF-8"):
        Trajectory.from_csv(path)


def test_json(tmp_path):
    replace(mixed(), cuts=(5,), repeats=(4,)).to_json(tmp_path / "out.json")
    read = json.loads((tmp_path / "out.json").read_text(), parse_constant=pytest.fail)  # no NaN in JSON
    assert read["size"] == {"height": 720, "width": 1280} and read["fps"] == "30000/1001"
    assert (read["cuts"], read["repeats"]) == ([5], [4])
    assert read["points"][0] == {
        "frame": 3, "time": 0.1, "x": 10.126, "y": 20.5, "score": 0.91234, "source": "detected"
    }  # fmt: skip
    assert read["points"][1]["x"] is None and read["points"][1]["y"] is None
    assert len(read["points"]) == 4


def test_dataframe_is_the_table_of_the_csv(tmp_path):
    mixed().to_csv(tmp_path / "out.csv")
    with open(tmp_path / "out.csv", newline="") as file:
        header, *lines = csv.reader(file)
    table = mixed().to_dataframe()
    assert list(table.columns) == header and len(table) == len(lines)
    for (_, row), line in zip(table.iterrows(), lines, strict=True):
        assert [row.Frame, row.Visibility, row.Source] == [int(line[0]), int(line[1]), line[5]]
        values = [row.X, row.Y, row.Score, row.Time]
        np.testing.assert_allclose(values, [float(line[i]) for i in (2, 3, 4, 6)], atol=0.005)


def test_pandas_is_imported_only_for_a_dataframe():
    code = "import sys, tracknetv5.trajectory; assert not {'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_rate_is_that_of_the_times_where_the_claim_is_another():
    def rate(fps: int, times) -> Fraction:
        return Trajectory.from_points([Point(3 + k, None, 0.0, "", t) for k, t in enumerate(times)], fps=fps).fps

    assert rate(Fraction(30000, 1001), [k / 30 for k in range(9)]) == Fraction(30000, 1001)
    assert rate(Fraction(1000), [k / 30 for k in range(9)]) == 30
    assert rate(Fraction(30), [1000.0 * k for k in range(9)]) == Fraction(1, 1000)  # no rate at all is none
    assert rate(Fraction(30), [0.0]) == rate(Fraction(30), [None, None]) == 30
