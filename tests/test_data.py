"""Readers, targets, augmentation and the stream of training windows, on data sets written here."""

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest
from stand_ins import CLIP_SIZE as SIZE
from stand_ins import ball, picture, write_video

from tracknetv5.data.augment import AugmentOptions, augment
from tracknetv5.data.dataset import MOVED_BY, Backgrounds, SamplingOptions, WindowDataset
from tracknetv5.data.readers import UNLABELLED, Clip, DatasetError, cached_frames, exclude, read_clips
from tracknetv5.data.targets import disc
from tracknetv5.geometry import Letterbox
from tracknetv5.video import VideoWriter

STILL = AugmentOptions(flip=0, reverse=0, scale=(1, 1), shift=0, brightness=0, colour=0, blur=0, noise=0)


def test_indexed_layout(indexed):
    first, second = read_clips(indexed)
    assert (first.sport, first.split, first.group, len(first), first.size) == ("tennis", "train", "court-a", 12, SIZE)
    assert first.visibility[:4].tolist() == [1, 1, 0, -1]
    assert first.xy[1].tolist() == [24, 31]
    assert np.isnan(first.xy[2:4]).all()
    assert [clip.name for clip in read_clips(indexed, "val")] == [second.name]


def test_tennis_layout(tmp_path):
    folder = tmp_path / "game10" / "Clip2"
    folder.mkdir(parents=True)
    for k in range(5):
        cv2.imwrite(str(folder / f"{k:04d}.jpg"), picture(*ball(k)))
    (folder / "Label.csv").write_text(
        "file name,visibility,x-coordinate,y-coordinate,status\n"
        "0001.jpg,1,24,31,0\n0002.jpg,0,,,\n0003.jpg,3,32,33,1\n0004.jpg,2,,,0\n"
    )
    (clip,) = read_clips(tmp_path)
    assert (clip.name, clip.group, clip.sport) == ("game10-Clip2", "game10", "tennis")
    assert clip.visibility.tolist() == [-1, 1, 0, 1, -1]  # not labelled: an image without a row, a ball without a place
    assert clip.difficulty.tolist() == [0, 1, 0, 3, 2]
    assert len(list(clip.images(SIZE))) == 5


def test_hard_and_occluded_balls_are_balls_in_every_layout(indexed):
    labels = indexed / "tennis" / "a.csv"
    labels.write_text(labels.read_text().replace("\n5,1,", "\n5,2,").replace("\n6,1,", "\n6,3,"))
    clip = read_clips(indexed)[0]
    assert clip.visibility.tolist() == [1, 1, 0, -1] + [1] * 8
    assert clip.difficulty.tolist() == [1, 1, 0, 0, 1, 2, 3] + [1] * 5
    assert not np.isnan(clip.xy[5:7]).any()
    labels.write_text(labels.read_text().replace("\n5,2,", "\n5,,"))
    with pytest.raises(DatasetError, match="a.mp4: Visibility"):
        read_clips(indexed)


def test_shuttlecock_layout(tmp_path):
    write_video(tmp_path / "test" / "match3" / "video" / "1_02_00.mp4")
    labels = tmp_path / "test" / "match3" / "csv" / "1_02_00_ball.csv"
    labels.parent.mkdir(parents=True)
    rows = [f"{k},{int(k != 4)},{ball(k)[0] * (k != 4)},{ball(k)[1] * (k != 4)}" for k in range(12)]
    labels.write_text("Frame,Visibility,X,Y\n" + "\n".join(rows))
    (clip,) = read_clips(tmp_path)
    assert (clip.name, clip.group, clip.split) == ("test-match3-1_02_00", "test-match3", "val")
    assert clip.visibility.tolist() == [1] * 4 + [0] + [1] * 7
    (clip,) = read_clips(tmp_path / "test")
    assert (clip.name, clip.group, clip.split) == ("match3-1_02_00", "match3", "val")


def test_a_folder_without_labels_says_what_is_expected(tmp_path):
    with pytest.raises(DatasetError, match="clips.csv"):
        read_clips(tmp_path)


def test_missing_footage_and_columns_are_named(indexed):
    (indexed / "tennis" / "a.mp4").rename(indexed / "elsewhere.mp4")
    with pytest.raises(DatasetError, match="a.mp4"):
        read_clips(indexed)
    (indexed / "elsewhere.mp4").rename(indexed / "tennis" / "a.mp4")
    (indexed / "tennis" / "a.csv").write_text("Frame,X,Y\n0,1,2")
    with pytest.raises(DatasetError, match="Visibility"):
        read_clips(indexed)


def test_a_ball_outside_the_picture_and_a_clip_listed_twice_are_mistakes(indexed, tmp_path):
    labels, index = indexed / "tennis" / "a.csv", indexed / "clips.csv"
    rows = labels.read_text()
    far = (("inf", "without coordinates"), ("99999", r"frame 1 has a ball at \[99999.0, 31.0\]"), ("-50", "-50"))
    for x, message in far:
        labels.write_text(rows.replace("\n1,1,24.0,31.0", f"\n1,1,{x},31"))
        with pytest.raises(DatasetError, match=message):
            cached_frames(read_clips(indexed)[0], tmp_path / "cache", SIZE)
    labels.write_text("Frame,Visibility,X,Y\n")
    with pytest.raises(DatasetError, match="a.mp4: there is none"):
        read_clips(indexed)
    labels.write_text(rows)
    listed = index.read_text()
    index.write_text(listed + "\ntennis,a,val,court-a,12,10,128,72,30,own,MIT")
    with pytest.raises(DatasetError, match="tennis/a is there twice"):
        read_clips(indexed)
    for outside in ("tennis,../a,train,court", "..,a,train,court", "tennis,a,train,x/../../court"):
        index.write_text(f"{listed.splitlines()[0]}\n{outside},12,10,128,72,30,own,MIT")
        with pytest.raises(DatasetError, match="clips.csv: .* is a path: sport, clip and group are names"):
            read_clips(indexed)
    index.write_text(listed.splitlines()[0])
    with pytest.raises(DatasetError, match="clips.csv: lists no clip"):
        read_clips(indexed)


def test_labels_belong_to_the_frames_that_they_name(indexed):
    labels = indexed / "tennis" / "a.csv"
    labels.write_text("Frame,Visibility,X,Y\n7,1,70,30\n2,1,20,31\n4,0,0,0")
    clip = read_clips(indexed)[0]
    assert clip.visibility.tolist() == [-1, -1, 1, -1, 0, -1, -1, 1]
    assert clip.xy[[2, 7]].tolist() == [[20, 31], [70, 30]]
    labels.write_text("Frame,Visibility,X,Y\n2,1,20,?")
    with pytest.raises(DatasetError, match="a.csv: .*correct the row"):
        read_clips(indexed)
    for wrong in ("2,1,20,31\n2,1,21,31", "-1,1,20,31", "a,1,20,31"):
        labels.write_text(f"Frame,Visibility,X,Y\n{wrong}")
        with pytest.raises(DatasetError, match="a.mp4: Frame"):
            read_clips(indexed)


@pytest.mark.parametrize(
    ("row", "wrong"),
    [
        ("x.jpg,1,1,1,0", "NaN"),
        (",,,,", "NaN"),
        ("1,1,1,1,0", "duplicate"),
        ("0001.jpg,0,,,", "duplicate"),
        ("0002.jpg,seen,1,1,0", "'seen'"),
        ("0002.jpg,1,?,2,0", "'.'"),
    ],
)
def test_a_row_that_makes_no_sense_is_told_with_its_file(tmp_path, row, wrong):
    folder = tmp_path / "game1" / "Clip1"
    folder.mkdir(parents=True)
    for k in range(3):
        cv2.imwrite(str(folder / f"{k:04d}.jpg"), picture(*ball(k)))
    (folder / "._0000.jpg").write_bytes(b"of a file system")
    labels = folder / "Label.csv"
    labels.write_text("file name,visibility,x-coordinate,y-coordinate,status\n0001.jpg,1,24,31,0\n")
    assert len(read_clips(tmp_path)[0]) == 3
    labels.write_text(labels.read_text() + row)
    with pytest.raises(DatasetError, match=f"Label.csv: .*({wrong}).*: correct the row"):
        read_clips(tmp_path)
    labels.write_text(labels.read_text().removesuffix(row))
    (folder / "0002.jpg").rename(folder / "last.jpg")
    with pytest.raises(DatasetError, match="last.jpg: the images of a clip are called by their number"):
        read_clips(tmp_path)


def test_the_index_is_text(indexed):
    for suffix in ("mp4", "csv"):
        (indexed / "tennis" / f"a.{suffix}").rename(indexed / "tennis" / f"0012.{suffix}")
    (indexed / "clips.csv").write_text("sport,clip,split,group\ntennis,0012,,01")
    (clip,) = read_clips(indexed)
    assert (clip.name, clip.group, clip.split) == ("0012", "01", "")
    (indexed / "clips.csv").write_text("sport,clip,split\ntennis,0012,")
    with pytest.raises(DatasetError, match="clips.csv: no column group"):
        read_clips(indexed)


def test_an_unknown_split_is_an_error(indexed):
    with pytest.raises(DatasetError, match="holiday"):
        read_clips(indexed, "holiday")


def test_cache_holds_the_frames_and_is_used(indexed, tmp_path, monkeypatch):
    clip = read_clips(indexed)[0]
    frames = cached_frames(clip, tmp_path / "cache", (36, 64))
    assert frames.shape == (12, 36, 64, 3)
    assert np.array_equal(frames, np.stack(list(clip.images((36, 64)))))
    xy = Letterbox(clip.size, (36, 64)).to_model(clip.xy[5])
    assert frames[5][round(xy[1]), round(xy[0]), 0] > 200 > np.median(frames[5][..., 0])
    monkeypatch.setattr(Clip, "images", None)  # not decoded again
    assert np.array_equal(cached_frames(clip, tmp_path / "cache", (36, 64)), frames)


def test_footage_or_labels_that_changed_are_read_anew(indexed, tmp_path):
    clip = read_clips(indexed)[0]
    old = cached_frames(clip, tmp_path / "cache", SIZE)
    labels = indexed / "tennis" / "a.csv"
    labels.write_text("\n".join(labels.read_text().splitlines()[:-2]))
    assert len(cached_frames(read_clips(indexed)[0], tmp_path / "cache", SIZE)) == 10
    with VideoWriter(clip.source, SIZE, Fraction(30)) as writer:
        for frame in range(12):
            writer.write(255 - picture(*ball(frame)))
    new = cached_frames(clip, tmp_path / "cache", SIZE)
    assert new.mean() > 200 > 60 > old.mean()


def test_images_that_changed_are_read_anew(tmp_path):
    folder = tmp_path / "game1" / "Clip1"
    folder.mkdir(parents=True)
    for k in range(3):
        cv2.imwrite(str(folder / f"{k}.png"), picture(*ball(k)))
    (folder / "Label.csv").write_text("file name,visibility,x-coordinate,y-coordinate,status\n0.png,1,20,30,0\n")
    (clip,) = read_clips(tmp_path)
    before = cached_frames(clip, tmp_path / "cache", SIZE)
    cv2.imwrite(str(folder / "2.png"), picture(100, 60))
    after = cached_frames(clip, tmp_path / "cache", SIZE)
    assert np.array_equal(before[:2], after[:2]) and not np.array_equal(before[2], after[2])


def test_more_labels_than_frames_is_an_error(indexed, tmp_path):
    labels = indexed / "tennis" / "a.csv"
    labels.write_text(labels.read_text() + "\n12,1,5,5")
    with pytest.raises(DatasetError, match="12 frames, but 13 labels"):
        cached_frames(read_clips(indexed)[0], tmp_path / "cache", SIZE)
    assert not list((tmp_path / "cache").iterdir())


def test_a_damaged_cache_is_named(indexed, tmp_path):
    clip = read_clips(indexed)[0]
    cached_frames(clip, tmp_path / "cache", SIZE)
    (path,) = (tmp_path / "cache").iterdir()
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(DatasetError, match=f"{path.name}: damaged.*delete it"):
        cached_frames(clip, tmp_path / "cache", SIZE)
    np.save(path, np.zeros((11, *SIZE, 3), np.uint8))
    with pytest.raises(DatasetError, match=f"{path.name}: damaged.*delete it"):
        cached_frames(clip, tmp_path / "cache", SIZE)


def test_disc():
    heatmaps = disc(np.array([[(10.0, 5.0), (np.nan, np.nan), (0.0, 0.0), (200.0, 5.0)]]), (20, 30))
    y, x = np.nonzero(heatmaps[0])
    assert ((x - 10) ** 2 + (y - 5) ** 2 <= 2.5**2).all()
    assert len(x) == 21  # lattice points of a disc of radius 2.5
    assert heatmaps[1].sum() == 0 and heatmaps[3].sum() == 0
    assert heatmaps[2].sum() == 8  # the quarter inside the picture


def test_all_balls_of_a_frame_are_in_its_target():
    first, second = np.array([(10.0, 5.0), (np.nan, np.nan)]), np.array([(12.0, 5.0), (20.0, 9.0)])
    both = disc(np.stack([first, second]), (20, 30))
    assert np.array_equal(both, disc(first[None], (20, 30)) | disc(second[None], (20, 30)))
    assert both[1].sum() == 21 < both[0].sum() < 42 and both.max() == 1


def test_no_augmentation_changes_nothing():
    frames = np.stack([picture(*ball(k)) for k in range(3)])
    xy = np.array([[ball(k) for k in range(3)]])
    result, moved, reverse = augment(frames, xy, SIZE, STILL, np.random.default_rng(0))
    assert np.array_equal(result, frames) and np.allclose(moved, xy) and not reverse


@pytest.mark.parametrize("crop", [SIZE, (48, 64)])
def test_labels_follow_the_picture(crop):
    frames = np.stack([picture(*ball(k)) for k in range(3)])
    xy = np.array([[ball(k) for k in range(3)]])
    seen = 0
    for seed in range(30):
        options = AugmentOptions(brightness=0.1, colour=0.05)
        result, moved, reverse = augment(frames, xy, crop, options, np.random.default_rng(seed))
        assert result.shape == (3, *crop, 3)
        for image, (x, y) in zip(result, moved[0], strict=True):
            if np.isnan(x) or not (6 < x < crop[1] - 7 and 6 < y < crop[0] - 7):
                continue
            rows, columns = np.nonzero(image[..., 0] > 150)
            assert np.hypot(columns.mean() - x, rows.mean() - y) < 0.7
            seen += 1
    assert seen > 30


def test_reversal_and_flip_happen():
    frames = np.stack([picture(*ball(k)) for k in range(3)])
    xy = np.array([[ball(k) for k in range(3)]])
    options = AugmentOptions(flip=1, reverse=1, scale=(1, 1), shift=0, brightness=0, colour=0, blur=0, noise=0)
    _, moved, reverse = augment(frames, xy, SIZE, options, np.random.default_rng(0))
    assert reverse
    assert np.allclose(moved, [[(127 - x, y) for x, y in xy[0, ::-1]]])


def test_a_seed_gives_what_it_gave_before_there_were_more_options():
    frames, xy = np.zeros((3, *SIZE, 3), np.uint8), np.array([[ball(k) for k in range(3)]])
    rng = np.random.default_rng(1)
    _, moved, reverse = augment(frames, xy, (48, 64), AugmentOptions(noise=1, reverse=0.5), rng)
    assert np.allclose(moved, [[(12.139719, 27.523306), (8.037023, 26.497632), (3.934328, 25.471958)]], atol=1e-6)
    assert reverse and np.isclose(rng.random(), 0.203455240676)  # as many draws as ever


@pytest.fixture
def scenery():
    """A background with a line across it, and one to stand in its place."""
    before = np.full((*SIZE, 3), (30, 90, 60), np.uint8)
    before[50:53] = 220
    after = np.zeros((*SIZE, 3), np.uint8)
    after[:, :64], after[:, 64:] = (150, 60, 70), (60, 60, 180)
    return before, after


def test_what_stands_still_gives_way_to_another_background(scenery):
    before, after = scenery
    frames, xy = np.stack([before] * 3), np.full((1, 3, 2), 9.0)
    shown = [augment(frames, xy, SIZE, STILL, np.random.default_rng(k), scenery)[0] for k in range(4)]
    assert all(np.array_equal(each, [either] * 3) for each in shown for either in [each[0]])
    either_way = [any(np.array_equal(each[0], side) for side in (after, after[:, ::-1])) for each in shown]
    assert all(either_way)
    assert len({each.tobytes() for each in shown}) == 2  # mirrored or not, whatever the window is


def test_what_moves_stays_on_the_other_background(scenery):
    before, _ = scenery
    after = np.full_like(before, (150, 60, 70))
    frames, xy = np.stack([before] * 3), np.array([[ball(k) for k in range(3)]])
    for frame, (x, y) in zip(frames, xy[0], strict=True):
        cv2.circle(frame, (round(x), round(y)), 3, (250, 250, 250), cv2.FILLED)
        frame[10:20, 100:110] -= 10  # a shadow
    result, moved, _ = augment(frames, xy, SIZE, STILL, np.random.default_rng(0), (before, after))
    assert np.array_equal(moved, xy)
    for frame, (x, y) in zip(result.astype(int), xy[0], strict=True):
        row, column = round(y), round(x)
        assert (frame[row - 1 : row + 2, column - 1 : column + 2] == 250).all()
        assert (frame[12:18, 102:108] == np.array((140, 50, 60))).all()
        frame[row - 4 : row + 5, column - 4 : column + 5] = frame[10:20, 100:110] = (150, 60, 70)
        assert (frame == (150, 60, 70)).all()  # no rim of the old one, and nothing of its line


def test_windows_have_the_background_of_any_clip(tmp_path):
    for name, level in (("game1/Clip1", 60), ("game2/Clip1", 120)):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        rows = ["file name,visibility,x-coordinate,y-coordinate,status"]
        for k in range(12):
            image = np.full((*SIZE, 3), level, np.uint8)
            cv2.circle(image, (round(ball(k)[0]), round(ball(k)[1])), 3, (250, 250, 250), cv2.FILLED)
            cv2.imwrite(str(folder / f"{k:04d}.png"), image)
            rows.append(f"{k:04d}.png,1,{ball(k)[0]},{ball(k)[1]},0")
        (folder / "Label.csv").write_text("\n".join(rows))
    dataset = make_dataset(tmp_path, tmp_path, augmentation=replace(STILL, scenery=0.5))
    levels = []
    for frames, target, _ in map(dataset.__getitem__, range(40)):
        assert frames.numpy()[:, 0][target.numpy() > 0].min() > 200  # the ball is where it is labelled
        levels.append(np.median(frames))
    assert set(levels) == {60, 120}
    unchanged = make_dataset(tmp_path, tmp_path, augmentation=STILL)
    assert levels != [np.median(unchanged[k][0]) for k in range(40)]


def test_windows_come_with_a_background_that_a_tracker_might_have(indexed, tmp_path):
    still = make_dataset(indexed, tmp_path, count=300, background=True, augmentation=STILL)
    unknown = empty = 0
    for frames, background, target, _ in map(still.__getitem__, range(300)):
        assert background.shape == frames[0].shape and target.shape == frames[:, 0].shape
        unknown += background.equal(frames[1])
        empty += bool((background.float() - 40).abs().max() < 30)  # the ball is gone
    assert 10 < unknown < 60  # UNKNOWN, and no more
    assert empty > 200

    reversed_ = make_dataset(indexed, tmp_path, background=True, augmentation=replace(STILL, reverse=1))
    for index in range(40):
        once, behind, target, labelled = still[index]
        twice, same, *labels = reversed_[index]
        assert twice.equal(once.flip(0)) and same.equal(behind)
        assert labels[0].equal(target.flip(0)) and labels[1].equal(labelled.flip(0))


def test_a_background_changes_as_the_frames_do(indexed, tmp_path, monkeypatch):
    monkeypatch.setattr("tracknetv5.data.dataset.UNKNOWN", 1.0)  # the frame in the middle stands for it
    monkeypatch.setattr("tracknetv5.data.dataset.MOVED", 0.0)
    changed = replace(STILL, flip=0.5, scale=(0.7, 1.4), shift=0.2, brightness=0.3, colour=0.2, hue=0.3, gamma=0.3)
    dataset = make_dataset(indexed, tmp_path, background=True, crop=(48, 64), augmentation=changed)
    for frames, background, *_ in map(dataset.__getitem__, range(40)):
        assert background.equal(frames[1])


def test_a_background_may_be_that_of_a_camera_that_moved(monkeypatch):
    monkeypatch.setattr("tracknetv5.data.dataset.UNKNOWN", 0.0)
    monkeypatch.setattr("tracknetv5.data.dataset.MOVED", 1.0)
    slope = np.arange(0, 200, 2, dtype=np.uint8)[None, :, None].repeat(40, 0).repeat(3, 2)  # 2 levels a pixel
    backgrounds, rng = Backgrounds([np.stack([slope] * 4)]), np.random.default_rng(0)
    changes = [np.abs(backgrounds.random(0, np.arange(3), rng) - slope.astype(int)) for _ in range(20)]
    farthest = max(change[:, 10:-10].max() for change in changes)  # the edge goes on beyond the picture
    assert 2 <= farthest <= 2 * MOVED_BY * len(slope) + 1


def test_backgrounds_of_a_long_clip_are_of_many_samples(monkeypatch):
    monkeypatch.setattr("tracknetv5.data.dataset.UNKNOWN", 0.0)
    monkeypatch.setattr("tracknetv5.data.dataset.MOVED", 0.0)
    levels = np.arange(100, dtype=np.uint8)[:, None, None, None].repeat(3, 3)
    backgrounds, rng = Backgrounds([levels]), np.random.default_rng(0)
    assert len({int(backgrounds.random(0, np.arange(3), rng)[0, 0, 0]) for _ in range(60)}) > 4


@pytest.fixture
def colours():
    """A window of random colours, and its one ball."""
    frames = np.random.default_rng(0).integers(0, 256, (3, 24, 32, 3), np.uint8)
    return cv2.GaussianBlur(frames.reshape(72, 32, 3), (0, 0), 2).reshape(frames.shape), np.full((1, 3, 2), 9.0)


def varied(colours, seed: int, **options) -> np.ndarray:
    frames, xy = colours
    return augment(frames, xy, frames.shape[1:3], replace(STILL, **options), np.random.default_rng(seed))[0]


def aside(images: np.ndarray) -> np.ndarray:
    """What of the colours is not grey."""
    return images - images.mean(-1, keepdims=True)


@pytest.mark.parametrize("option", ["hue", "saturation"])
def test_hue_and_saturation_leave_grey_as_it_is(colours, option):
    frames, xy = colours
    grey = frames.mean(-1, keepdims=True).astype(np.uint8).repeat(3, -1)
    assert np.abs(varied((grey, xy), 0, **{option: 0.5}).astype(int) - grey).max() <= 1
    frames = 64 + frames // 2  # no channel is clipped
    results = [varied((frames, xy), seed, **{option: 0.5}).astype(int) for seed in range(5)]
    assert all(np.abs(result.mean(-1) - frames.mean(-1)).max() <= 1 for result in results)
    assert max(np.abs(result - frames).max() for result in results) > 5


def test_hue_keeps_the_distance_from_grey_and_saturation_the_direction(colours):
    frames, xy = 64 + colours[0] // 2, colours[1]
    before = aside(frames)
    for seed in range(5):
        turned = aside(varied((frames, xy), seed, hue=0.5))
        assert np.isclose(np.linalg.norm(turned), np.linalg.norm(before), rtol=0.03)
        moved = aside(varied((frames, xy), seed, saturation=0.5))
        assert (moved * before).sum() > 0.99 * np.linalg.norm(moved) * np.linalg.norm(before)


def test_gamma_keeps_black_and_white_and_changes_all_channels_alike(colours):
    frames, xy = colours
    frames = frames.copy()
    frames[:, 0, 0], frames[:, 0, 1] = 0, 255
    for seed in range(5):
        result = varied((frames, xy), seed, gamma=0.5)
        assert (result[:, 0, 0] == 0).all() and (result[:, 0, 1] >= 254).all()
        order = np.argsort(frames, axis=None, kind="stable")
        change = np.diff(result.reshape(-1)[order].astype(int))
        assert (change >= 0).all() and not np.array_equal(result, frames)


def test_compression_leaves_marks_and_the_picture(colours):
    frames, _ = colours
    error = np.abs(varied(colours, 0, compression=1).astype(int) - frames)
    assert 1 < error.mean() < 12
    assert np.array_equal(varied(colours, 0, compression=1), varied(colours, 0, compression=1))


def test_noise_is_slight_and_of_each_frame_its_own():
    grey = np.full((2, 32, 32, 3), 120, np.uint8)
    noisy = varied((grey, np.full((1, 2, 2), 9.0)), 0, noise=1).astype(int)
    assert 0.7 < (noisy - grey).std() < 4.3 and not np.array_equal(*noisy)


def test_blur_spreads_an_edge():
    edge = np.full((2, 32, 32, 3), 120, np.uint8)
    edge[:, :, 16:] = 180
    rise = np.diff(varied((edge, np.full((1, 2, 2), 9.0)), 0, blur=1)[0, 10, :, 0].astype(int))
    assert np.count_nonzero(rise) > 1 and rise.sum() == 60


def make_dataset(indexed, tmp_path, **options) -> WindowDataset:
    settings = dict(count=40, length=3, size=SIZE, cache=tmp_path / "cache", seed=1) | options
    return WindowDataset(read_clips(indexed), **settings)


def frame_numbers(dataset: WindowDataset, index: int) -> list[int]:
    """Of a window of the first clip."""
    numbers = {frame.tobytes(): k for k, frame in enumerate(dataset.frames[0].transpose(0, 3, 1, 2))}
    return [numbers[frame.numpy().tobytes()] for frame in dataset[index][0]]


def test_clips_shorter_than_a_window_are_left_out_and_counted(indexed, tmp_path):
    a, b = read_clips(indexed)
    cut = replace(b, xy=b.xy[:2], visibility=b.visibility[:2], difficulty=b.difficulty[:2])
    settings = dict(count=4, length=3, size=SIZE, cache=tmp_path / "cache")
    with pytest.warns(UserWarning, match="1 of 2 clips are left out: shorter than the 3 pictures"):
        assert WindowDataset([a, cut], **settings).clips == [a]
    with pytest.raises(ValueError, match="none of the 1 clips has the 3 pictures of a window"):
        WindowDataset([cut], **settings)


def test_windows_pass_over_a_picture_that_is_shown_once_more(indexed, tmp_path):
    with VideoWriter(indexed / "tennis" / "a.mp4", SIZE, Fraction(30)) as writer:
        for frame in range(12):
            writer.write(picture(*ball(frame - frame % 3 // 2)))  # every third frame is the second one again
    clip = read_clips(indexed, "train")[0]
    dataset = WindowDataset([clip], count=60, length=3, size=SIZE, cache=tmp_path / "c", augmentation=STILL)
    assert dataset.pictures[0].tolist() == [0, 1, 3, 4, 6, 7, 9, 10]
    for index in range(len(dataset)):
        frames = dataset[index][0].float()
        assert all((a - b).abs().max() > 50 for a, b in zip(frames, frames[1:], strict=False))


def test_windows_are_the_same_for_the_same_seed(indexed, tmp_path):
    first, again = make_dataset(indexed, tmp_path), make_dataset(indexed, tmp_path)
    other = make_dataset(indexed, tmp_path, seed=2)
    assert all(a.equal(b) for k in (0, 7) for a, b in zip(first[k], again[k], strict=True))
    assert not first[0][0].equal(other[0][0])


def test_windows_mark_unlabelled_frames_and_have_no_target_there(indexed, tmp_path):
    dataset = make_dataset(indexed, tmp_path, augmentation=STILL)
    hidden = 0
    for index in range(len(dataset)):
        frames, target, labelled = dataset[index]
        assert frames.shape == (3, 3, *SIZE) and target.shape == (3, *SIZE) and labelled.shape == (3,)
        assert target[~labelled].sum() == 0
        hidden += int((~labelled).sum())
        for image, heat in zip(frames[labelled], target[labelled], strict=True):
            if heat.any():  # the target lies on the ball
                assert image[0][heat.bool()].float().mean() > 150
    assert hidden > 0


def test_the_disc_of_the_target_is_as_large_as_asked(indexed, tmp_path):
    def pixels(radius: float) -> int:
        dataset = make_dataset(indexed, tmp_path, augmentation=STILL, radius=radius)
        return max(int(dataset[index][1].sum(dim=(1, 2)).max()) for index in range(len(dataset)))

    assert pixels(0.9) <= 4 and pixels(6.0) == pytest.approx(np.pi * 36, rel=0.05)


def test_sports_are_sampled_as_asked(indexed, tmp_path):
    dataset = make_dataset(indexed, tmp_path, count=400, sampling=SamplingOptions(sports={"tennis": 3, "padel": 1}))
    assert np.allclose(np.diff(dataset.cumulative, prepend=0), [0.75, 0.25])
    with pytest.raises(ValueError, match="curling"):
        make_dataset(indexed, tmp_path, sampling=SamplingOptions(sports={"curling": 1}))
    with pytest.raises(ValueError, match="no share for tennis"):
        make_dataset(indexed, tmp_path, sampling=SamplingOptions(sports={"padel": 1}))


def test_frames_that_were_wrong_are_drawn_more_often(indexed, tmp_path):
    clips = read_clips(indexed)
    wrong = clips[0]
    rows = [f"{wrong.full_name},{frame},{'fn' if frame == 5 else 'tp'}" for frame in range(len(wrong))]
    (tmp_path / "frames.csv").write_text("\n".join(["clip,frame,outcome", *rows]))
    sampling = SamplingOptions(errors=str(tmp_path / "frames.csv"), extra=9.0)
    weights = make_dataset(indexed, tmp_path, sampling=sampling).weights[0]
    share = np.diff(weights, prepend=0)
    assert np.allclose(share[5], 10 / (len(wrong) + 9)) and np.allclose(np.delete(share, 5), 1 / (len(wrong) + 9))
    elsewhere = "badminton/x,900,fn"  # a clip that is not trained on
    (tmp_path / "frames.csv").write_text("\n".join(["clip,frame,outcome", *rows, elsewhere]))
    assert (make_dataset(indexed, tmp_path, sampling=sampling).weights[0] == weights).all()
    (tmp_path / "frames.csv").write_text(f"clip,frame,outcome\n{wrong.full_name},{len(wrong)},fn\n")
    with pytest.raises(ValueError, match=f"has {len(wrong)} frames, not a frame {len(wrong)}"):
        make_dataset(indexed, tmp_path, sampling=sampling)
    (tmp_path / "frames.csv").write_text("clip,number\n")
    with pytest.raises(ValueError, match="frames.csv"):
        make_dataset(indexed, tmp_path, sampling=sampling)


def test_strides_pass_over_frames(indexed, tmp_path):
    sampling = SamplingOptions(sports={"tennis": 1, "padel": 0}, strides=(0.0, 1.0))
    dataset = make_dataset(indexed, tmp_path, augmentation=STILL, sampling=sampling)
    assert all(np.diff(frame_numbers(dataset, k)).tolist() == [2, 2] for k in range(20))


def test_a_drawn_frame_is_at_every_place_of_a_window(indexed, tmp_path):
    (tmp_path / "frames.csv").write_text("clip,frame,outcome\ntennis/a,5,fn\n")
    # No other frame is drawn.
    sampling = SamplingOptions(sports={"tennis": 1, "padel": 0}, errors=str(tmp_path / "frames.csv"), extra=1e9)
    dataset = make_dataset(indexed, tmp_path, augmentation=STILL, sampling=sampling)
    assert {frame_numbers(dataset, k)[0] for k in range(40)} == {3, 4, 5}


def test_listed_windows_and_no_others_are_drawn(indexed, tmp_path):
    clips = read_clips(indexed)
    name = clips[0].full_name
    listing = tmp_path / "windows.csv"
    listing.write_text("\n".join(["clip,centre", *(f"{name},{centre}" for centre in (1, 4, 10)), "elsewhere/x,3"]))
    (tmp_path / "frames.csv").write_text(f"clip,frame,outcome\n{name},4,fn\n{name},5,fn\n")  # 5 is no centre
    sampling = SamplingOptions(window_list=str(listing), errors=str(tmp_path / "frames.csv"), extra=2.0)
    dataset = make_dataset(indexed, tmp_path, count=200, augmentation=STILL, sampling=sampling)
    assert [clip.name for clip in dataset.clips] == [clips[0].name]
    frames = dataset.frames[0].transpose(0, 3, 1, 2)
    window = {frames[centre - 1 : centre + 2].tobytes(): centre for centre in range(1, len(frames) - 1)}
    drawn = [window[dataset[index][0].numpy().tobytes()] for index in range(len(dataset))]
    assert set(drawn) == {1, 4, 10} and drawn.count(4) > 80  # 3 of 5 parts


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("tennis/a,0", "windows.csv: tennis/a has 12 frames, and no 3 of them lie around frame 0"),
        ("tennis/a,5\ntennis/a,11", "around frame 11"),
        ("elsewhere/x,3", "lists no window"),
        ("tennis/a,early", "not a list of clip and centre"),
    ],
)
def test_faults_in_a_list_of_windows_are_named(indexed, tmp_path, rows, message):
    (tmp_path / "windows.csv").write_text(f"clip,centre\n{rows}\n")
    with pytest.raises(ValueError, match=message):
        make_dataset(indexed, tmp_path, sampling=SamplingOptions(window_list=str(tmp_path / "windows.csv")))


def test_listed_windows_have_no_strides(indexed, tmp_path):
    with pytest.raises(ValueError, match="leave out `strides`"):
        make_dataset(indexed, tmp_path, sampling=SamplingOptions(window_list="any.csv", strides=(0.5, 0.5)))


def test_every_frame_of_a_clip_is_drawn_at_every_place_of_a_window(indexed, tmp_path):
    dataset = make_dataset(indexed, tmp_path, count=600, augmentation=STILL)
    whole = {frames.tobytes() for clip in dataset.frames for frames in clip.transpose(0, 3, 1, 2)}
    seen = [set(), set(), set()]
    for index in range(len(dataset)):
        for place, image in enumerate(dataset[index][0]):
            seen[place].add(image.numpy().tobytes())
    assert set.union(*seen) == whole


def test_excluded_labels_are_as_if_never_made(indexed, tmp_path):
    clips = read_clips(indexed)
    name = clips[0].full_name
    (tmp_path / "list.csv").write_text(f'clip,frame,why\n{name},2,"a shoe, no ball"\nelsewhere/x,900,other data\n')
    first, *others = exclude(clips, tmp_path / "list.csv")
    assert first.visibility[2] == UNLABELLED and np.isnan(first.xy[2]).all()
    assert (np.delete(first.visibility, 2) == np.delete(clips[0].visibility, 2)).all()
    assert all((a.visibility == b.visibility).all() for a, b in zip(others, clips[1:], strict=True))
    (tmp_path / "list.csv").write_text(f"clip,frame\n{name},{len(first)}\n")
    with pytest.raises(DatasetError, match=f"has {len(first)} frames"):
        exclude(clips, tmp_path / "list.csv")
