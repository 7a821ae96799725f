"""The third tab: two networks, or a network and somebody's table of positions, on the same clip."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
import numpy as np

from demo import charts, footage, guard, models, parts, pictures
from demo.comparison import Comparison, aligned, write_film
from demo.runs import Busy, Runs
from demo.tab_inside import MINE, clip_choice
from demo.tab_track import EXAMPLES, QUEUE, RUNS_AT_ONCE, style_choice
from demo.tracking import Cancelled, Progress, detect, rendered
from demo.words import RATIOS
from tracknetv5.metrics import SIZE
from tracknetv5.trajectory import Trajectory
from tracknetv5.video import VideoError

TABLE = "A table of positions (CSV)"
COLUMNS = (
    "with the columns Frame, Visibility, X and Y: X and Y in pixels of this video, frames counted from 0 at its start"
)
MAX_TABLE_BYTES = 5 * 2**20
DIFFERENCE_HEADERS = ["Frame", "Time (s)", "A", "B", "Apart (px)"]
SCORED = "Scored by the true positions: right if less than 4 pixels away in a picture of 512 × 288"
SCORE_HEADERS = ["", "Right", "Wrong place", "False ball", "Missed", "Precision", "Recall", "F1"]

runs = Runs()


class Page(NamedTuple):
    """What `compare` shows, in order: the components, or a new value for each. What is not given stays as it is."""

    status: Any
    stop: Any = gr.skip()
    state: Any = gr.skip()
    results: Any = gr.skip()
    film: Any = gr.skip()
    scores: Any = gr.skip()
    plot: Any = gr.skip()
    differences: Any = gr.skip()
    frame: Any = gr.skip()
    picture: Any = gr.skip()


def build(video: gr.Video) -> None:
    """Lay out the tab; `video` holds the visitor's own clip."""
    names = list(models.offered())
    gr.Markdown(
        f"Two opinions, A and B, on up to {footage.SECONDS:.0f} seconds of a clip, {footage.FRAMES} frames at most: of "
        "two networks, or of a network and of another tool that wrote a table. If you know where the ball really was, "
        "add that table too, and both are scored. For our made-up rallies the true positions are built in, and are B "
        "as long as you add no table for it. "
        f"Tables are CSV files {COLUMNS}."
    )
    clip, start = clip_choice("compare")
    with gr.Row(equal_height=False):
        with gr.Column(min_width=280):
            a = gr.Radio(names, value=names[0], label="A", elem_id="compare-a")
            labels = gr.File(
                label="True positions, if known (CSV)", file_types=[".csv"], height=140,
                elem_id="compare-labels",
            )  # fmt: skip
        with gr.Column(min_width=280):
            b = gr.Radio([*names, TABLE], value=names[1] if len(names) > 1 else TABLE, label="B", elem_id="compare-b")
            table = gr.File(
                label="Positions for B (CSV)", file_types=[".csv"], height=140,
                elem_id="compare-table",
            )  # fmt: skip
    style = style_choice()
    with gr.Row():
        go = gr.Button("Compare", variant="primary", elem_id="compare-go", scale=3)
        stop = gr.Button("Cancel", variant="stop", visible=False, min_width=90, scale=1)
    status = gr.HTML(elem_id="compare-status")
    state = gr.State(time_to_live=footage.HOUR)
    with gr.Column(visible=False) as results:
        film = gr.Video(label="A on the left, B on the right", interactive=False, buttons=[], elem_id="compare-film")
        scores = gr.HTML(elem_id="compare-scores")
        plot = gr.HTML(elem_id="compare-plot")
        with gr.Row(equal_height=False):
            with gr.Column(min_width=320):
                differences = gr.Dataframe(
                    headers=DIFFERENCE_HEADERS, label="Where they differ, or one is wrong: choose a row to see it",
                    interactive=False, max_height=330, wrap=True,
                    column_widths=["80px", "90px", "120px", "120px", "90px"], elem_id="compare-differences",
                )  # fmt: skip
            with gr.Column(min_width=320):
                frame = gr.Slider(0, 1, value=0, step=1, label="Frame", elem_id="compare-frame", buttons=[])
                picture = gr.HTML(elem_id="compare-picture")

    page = Page(status, stop, state, results, film, scores, plot, differences, frame, picture)
    hidden = dict(show_progress="hidden", api_visibility="private")
    go.click(
        compare, [clip, video, start, a, b, table, labels, style], list(page), concurrency_limit=RUNS_AT_ONCE,
        concurrency_id=QUEUE, show_progress="minimal", show_progress_on=status, api_visibility="private",
    )  # fmt: skip
    stop.click(runs.cancel, None, status, queue=False, **hidden)
    frame.change(show, [state, frame], picture, trigger_mode="always_last", **hidden)
    differences.select(choose, state, frame, **hidden)


def _read(file: str | None, what: str) -> Trajectory:
    if file is None:
        raise guard.Refused(f"Add {what}, a CSV {COLUMNS}.")
    path = Path(file)
    if path.stat().st_size > MAX_TABLE_BYTES:
        raise guard.Refused(f"“{path.name}” is larger than {MAX_TABLE_BYTES // 2**20} MB: a table of positions is not.")
    try:
        return Trajectory.from_csv(path)
    except (ValueError, OSError) as error:
        raise guard.Refused(guard.told(error, file)) from error


def _labels(clip: str, file: str | None) -> Trajectory | None:
    """The true positions: of a made-up rally its own, whatever the visitor has left for another clip."""
    made = EXAMPLES / f"{clip}.csv"
    if clip != MINE and made.exists():
        return Trajectory.from_csv(made)
    return None if file is None else _read(file, "labels")


def _fits(table: Trajectory, size: tuple[int, int], what: str) -> str:
    """A warning where a table may be in other pixels than those of the video of `size` (height, width), or nothing.

    Raises Refused where it must be.
    """
    if not table.visible.any():
        return ""
    x, y = np.nanmax(table.xy, axis=0)
    height, width = size
    pixels = f"X and Y must be pixels of this {width} × {height} video"
    if max(x, y) <= 1:
        raise guard.Refused(f"{what} lie between 0 and 1: {pixels}. Multiply X by {width} and Y by {height}.")
    if x > 1.1 * width or y > 1.1 * height:
        raise guard.Refused(f"{what} go to ({x:.0f}, {y:.0f}): {pixels}. They may be of another size of it.")
    if x <= SIZE[1] and y <= SIZE[0] and width > 2 * SIZE[1]:
        return f" {what} all lie in the upper left {SIZE[1]} × {SIZE[0]} of the picture: are they pixels of this video?"
    return ""


def _positions(file: str | None, truth: Trajectory | None) -> Trajectory:
    """The table for B: the visitor's, or the truth if that is known, so that there is something to see at once."""
    if file is None and truth is not None:
        return truth
    return _read(file, "positions for B")


def compare(
    clip: str, video: str | None, start: float | None, a: str, b: str, table: str | None, labels: str | None,
    style: str, request: gr.Request,
) -> Iterator[Page]:  # fmt: skip
    """Updates for the page while it tracks and draws, then all results."""
    path = video if clip == MINE else str(EXAMPLES / f"{clip}.mp4")
    try:
        job = footage.part(path, start)
        truth = _labels(clip, labels)
        other = _positions(table, truth) if b == TABLE else None
        if a == b:
            raise guard.Refused("A and B are the same network: choose two different ones, or a table for B.")
        size = job.info.height, job.info.width
        doubt = "" if other is None else _fits(other, size, "The positions for B")
        doubt += "" if truth is None else _fits(truth, size, "The true positions")
        yield Page(parts.progress_bar("Starting …", 0), gr.update(visible=True), results=gr.update(visible=False))
        with runs.started(request) as stop, tempfile.TemporaryDirectory(prefix="tracknetv5-") as folder:
            first, *_ = yield from _progress(detect(models.load(a), job, stop), "A")
            if other is None:
                other, *_ = yield from _progress(detect(models.load(b), job, stop), "B")
            xy, covered = aligned(other, first.frame)
            if not covered.any():
                raise guard.Refused("The positions for B are of none of the frames of this part of the clip.")
            known = (None, None) if truth is None else aligned(truth, first.frame)
            of_b = "the true positions" if other is truth else Path(table).name if b == TABLE else b
            names = a, parts.shortened(of_b)
            comparison = Comparison(
                names, job.info.path, job.start, first, xy, *known, covered, job.info.pixel_aspect
            )
            film = Path(folder) / "comparison.mp4"
            for done in rendered(write_film, comparison, film, style, cancel=stop):
                yield Page(parts.progress_bar(f"Drawing the video: {done} of {len(first)} frames", done / len(first)))
            yield _results(comparison, film, doubt)
    except Busy:
        yield Page(gr.skip())
    except Cancelled:
        yield Page(parts.notice("Stopped."), gr.update(visible=False))
    except (guard.Refused, VideoError) as error:
        yield Page(parts.notice(guard.told(error, path), "bad"), gr.update(visible=False))
    except (ValueError, OSError) as error:
        yield Page(parts.notice(guard.excused(error), "bad"), gr.update(visible=False))


def _progress(steps: Iterator[Progress], name: str) -> Iterator[Page]:
    """The steps of a run as updates; returns what the run returns."""
    while True:
        try:
            news = next(steps)
        except StopIteration as end:
            return end.value
        share = news.done / news.total if news.total else None
        yield Page(parts.progress_bar(f"{name}: {news.done} frames, {news.rate:.0f} per second", share))


def _results(comparison: Comparison, film: Path, doubt: str) -> Page:
    covered, rows = comparison.covered, comparison.worth_a_look()
    agree = comparison.agree[covered]
    a, b = comparison.names
    told = (
        f"“{parts.shortened(comparison.video.name)}”: A ({a}) and B ({b}) agree in {agree.sum()} of {len(agree)} "
        f"frames ({agree.mean():.0%})."
    )
    if not covered.all():
        told += f" The positions for B are of {covered.sum()} of the {len(covered)} frames: only these are compared."
    begin, end = int(comparison.a.frame[0]), int(comparison.a.frame[-1])
    shown = rows[0][0] if rows else (begin + end) // 2
    return Page(
        parts.notice(told + doubt, "bad" if doubt else "good"),
        stop=gr.update(visible=False),
        state=comparison,
        results=gr.update(visible=True),
        film=str(film),
        scores="" if comparison.truth is None else _scores(comparison),
        plot=charts.difference_chart(comparison.a.time, comparison.apart, comparison.agree | ~covered),
        differences=rows,
        frame=gr.update(minimum=begin, maximum=max(begin + 1, end), value=shown),
        picture=show(comparison, shown),
    )  # fmt: skip


def _scores(comparison: Comparison) -> str:
    return parts.table(SCORED, SCORE_HEADERS, comparison.scores()) + parts.notice(RATIOS)


def choose(comparison: Comparison | None, at: gr.SelectData) -> Any:
    """The frame of the chosen row."""
    if comparison is None:
        return gr.skip()
    return comparison.worth_a_look()[at.index[0]][0]


def show(comparison: Comparison | None, frame: float) -> str:
    """One frame with A, B and the truth on it."""
    if comparison is None:
        return ""
    try:
        frames = footage.get(str(comparison.video), comparison.start, models.load(models.default()).config)
    except (guard.Refused, VideoError):  # deleted after its hour
        return parts.notice("The clip is gone: compare again.")
    row = int(np.clip(frame - frames.first, 0, len(frames) - 1))
    image = comparison.picture(np.array(frames.frames[row]), row)
    caption = f"Frame {frames.first + row}: A in yellow, B in blue" + (
        "" if comparison.truth is None else ", the true position as a white cross"
    )
    return pictures.tiles(pictures.Part(0, 0, *image.shape[:2]), 1, pictures.tile(image, caption))
