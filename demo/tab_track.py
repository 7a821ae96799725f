"""The first tab: a video in, the ball out; and the endpoint `/track`, which does the same for programs."""

import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import gradio as gr

from demo import charts, guard, models, parts, uploads, words
from demo.runs import Busy, Runs
from demo.tracking import Cancelled, Progress, Result, run
from tracknetv5.draw import STYLES
from tracknetv5.trajectory import GAP
from tracknetv5.video import VideoError

EXAMPLES = Path(__file__).parent / "examples"
EXAMPLE_NAMES = {"rally_long": "Long rally", "occlusion": "Ball behind a player", "camera_pan": "Moving camera"}
WELCOME = (
    "A clip of a rally, filmed from behind the court by a camera that hardly moves, as on television; "
    f"up to {guard.MAX_SECONDS / 60:.0f} minutes at a time, {guard.MAX_BYTES // 2**20} MB."
)
STEPS = (
    "Drop a clip of your match, or pick one of ours.",
    "Press “Find the ball” and watch its path appear.",
    "Take home the marked video, and every position as a table.",
)
STYLE_NAMES = {
    "comet": "Comet: a ring and a fading tail",
    "dots": "Dots: one a frame, far apart where the ball is fast",
    "ring": "Ring: nothing but the ball",
}
COURT, OF_MAIN_SHOT = "Path over the court: dark first, light last", "; the shot with most of the ball"
PLAYED = (".mp4", ".m4v", ".mov", ".webm")  # by browsers
QUEUE = "track"  # one line for the page and for programs
CHART_SECONDS, CHART_GROWTH = 1.0, 1.01  # the chart is sent anew after so long, and with so many times the frames
RUNS_AT_ONCE = 2  # they share the cores slice by slice; more would make everyone slow

runs = Runs()


def build() -> gr.Video:
    """Lay out the tab; returns the component that holds the visitor's video, for other tabs to read."""
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=320, elem_classes="controls"):
            video = gr.Video(
                label="Match video", sources=["upload", "webcam"], elem_id="video", buttons=[],
                webcam_options=gr.WebcamOptions(mirror=False),
            )  # fmt: skip
            about = gr.HTML(parts.notice(WELCOME))
            if clips := examples():
                gr.Examples(
                    [[str(clip)] for clip in clips], [video], label="Or try a made-up rally",
                    example_labels=[EXAMPLE_NAMES.get(clip.stem, clip.stem) for clip in clips], preload=False,
                )  # fmt: skip
            with gr.Row():
                go = gr.Button("Find the ball", variant="primary", elem_id="go", scale=2)
                stop = gr.Button("Cancel", variant="stop", elem_id="cancel", visible=False, min_width=90, scale=1)
            with gr.Accordion("Trim", open=False):
                gr.Markdown(f"Track a part of the video: up to {guard.MAX_SECONDS:.0f} seconds at a time.")
                with gr.Row():
                    start = gr.Number(0, label="Start (seconds)", min_width=120)
                    length = gr.Number(None, label="Length (seconds)", min_width=120, placeholder="the rest")
            settings = _settings()
        with gr.Column(scale=7, min_width=320):
            status = gr.HTML(parts.steps(*STEPS), elem_id="status")
            overlay = gr.Video(
                label="Ball marked in the video", interactive=False, elem_id="overlay", buttons=[], visible=False
            )
            told = gr.Markdown(elem_id="summary", visible=False)
            with gr.Row(visible=False, elem_id="downloads") as downloads:
                files = [
                    gr.DownloadButton(name, size="sm", min_width=80, elem_id=f"download-{kind}")
                    for kind, name in (
                        ("csv", "Table (CSV)"),
                        ("json", "Table (JSON)"),
                        ("overlay", "Marked video"),
                        ("zip", "All (zip)"),
                    )  # fmt: skip
                ]
            plot = gr.HTML(elem_id="charts", visible=False)
            with gr.Column(visible=False) as finished:
                court = gr.Image(
                    label=COURT, interactive=False, format="png",
                    alt_text="The path of the ball drawn over the empty court", buttons=["fullscreen"], elem_id="court",
                )  # fmt: skip
                rally_table = gr.HTML(elem_id="rallies", js_on_load=parts.jumps_to("#overlay"))
                with gr.Accordion("All positions as a table", open=False):
                    positions = gr.Dataframe(
                        headers=words.POSITION_HEADERS, label="Positions", interactive=False, max_height=360,
                        elem_id="positions", wrap=True,
                    )  # fmt: skip

    inputs = [video, start, length, *settings]
    page = Page(status, go, stop, plot, overlay, told, downloads, *files, finished, court, rally_table, positions)
    video.change(describe, video, [about, start, length], show_progress="hidden", api_visibility="private", queue=False)
    go.click(
        track_live, inputs, list(page), validator=validate, concurrency_limit=RUNS_AT_ONCE, concurrency_id=QUEUE,
        show_progress="minimal", show_progress_on=status, api_visibility="private",
    )  # fmt: skip
    stop.click(runs.cancel, None, status, queue=False, show_progress="hidden", api_visibility="private")
    _endpoint(video, start, length, settings)
    return video


class Page(NamedTuple):
    """What `track_live` shows, in order: the components, or a new value for each. What is not given stays as it is."""

    status: Any
    go: Any = gr.skip()
    stop: Any = gr.skip()
    plot: Any = gr.skip()
    overlay: Any = gr.skip()
    told: Any = gr.skip()
    downloads: Any = gr.skip()
    csv: Any = gr.skip()
    json: Any = gr.skip()
    film: Any = gr.skip()
    archive: Any = gr.skip()
    finished: Any = gr.skip()
    court: Any = gr.skip()
    rallies: Any = gr.skip()
    positions: Any = gr.skip()


def examples() -> list[Path]:
    known = list(EXAMPLE_NAMES)
    return sorted(EXAMPLES.glob("*.mp4"), key=lambda clip: known.index(clip.stem) if clip.stem in known else len(known))


def _settings() -> list[gr.components.Component]:
    with gr.Accordion("Settings", open=False):
        names = list(models.offered())
        weights = gr.Radio(
            names, value=names[0], label="Network", info="Who looks for the ball; larger ones are slower."
        )
        looks = gr.Radio(
            [("as usual", 0), ("as many as possible: steadier, a longer wait", 1)],
            value=0, label="Looks at each frame", info="More looks are averaged.",
        )  # fmt: skip
        threshold = gr.Slider(
            0.05, 0.95, value=_threshold(names[0]), step=0.05, label="How sure it must be (threshold)",
            info="To the left: fainter balls are found, and more things that are none. No further waiting.",
        )  # fmt: skip
        weights.change(_threshold, weights, threshold, show_progress="hidden", api_visibility="private", queue=False)
        gaps = gr.Slider(
            0, 20, value=GAP, step=1, label="Fill gaps of up to so many frames",
            info="Where the flight before and after a gap fit together. Such points are marked. No further waiting.",
        )  # fmt: skip
        draw = gr.Checkbox(True, label="Make the video with the ball marked", info="Takes a part of the waiting time.")
        style = style_choice()
    return [weights, looks, threshold, gaps, draw, style]


def _threshold(weights: str) -> float:
    """The threshold that a network was given with its weights."""
    return models.load(weights).threshold


def style_choice() -> gr.Radio:
    return gr.Radio(
        [(text, style) for style, text in STYLE_NAMES.items()], value=STYLES[0], label="How the ball is marked",
        info="All three take the same time.",
    )  # fmt: skip


def describe(video: str | None) -> tuple:
    """A line about the chosen video, and its part to track: from the beginning, and no longer than the limit."""
    if video is None:
        return parts.notice(WELCOME), 0, None
    try:
        info = guard.look(video)
    except guard.Refused as refusal:
        return parts.notice(str(refusal), "bad"), 0, None
    facts = f"{info.width} × {info.height}, {float(info.fps):.4g} frames per second"
    if info.duration and info.duration > guard.MAX_SECONDS + 1:
        return parts.notice(
            f"{facts}, {info.duration / 60:.1f} minutes: the first minute will be tracked; “Trim” chooses "
            f"another part, of up to {guard.MAX_SECONDS / 60:.0f} minutes."
        ), 0, 60
    seconds = f", {info.duration:.1f} seconds" if info.duration else ""
    played = info.path.suffix.lower() in PLAYED
    hidden = "" if played else " Your browser may not show it; the ball is found all the same."
    return parts.notice(f"{facts}{seconds}. Ready.{hidden}", "good"), 0, None


def validate(video: str | None, start: float | None, length: float | None, *settings) -> list[dict]:
    """Gradio asks this before the visitor joins the queue."""
    fine = gr.validate(True, "")
    marked = {"video": fine, "start": fine}
    try:
        guard.look(video)
    except guard.Refused as refusal:
        marked["video"] = gr.validate(False, str(refusal))
    else:
        try:
            guard.check(video, start, length)
        except guard.Refused as refusal:
            marked["start"] = gr.validate(False, str(refusal))
    return [*marked.values(), fine, *(fine for _ in settings)]


def _start(video, start, length, weights, looks, threshold) -> tuple:
    """(tracker, job) for the visitor's choices; raises Refused."""
    job = guard.check(video, start, length)
    try:
        return models.tracker(weights, threshold=threshold or None, step=looks or None), job
    except ValueError as error:
        raise guard.Refused(str(error)) from error


def track_live(
    video: str | None, start: float | None, length: float | None, weights: str, looks: int, threshold: float,
    gaps: int, draw: bool, style: str, request: gr.Request,
) -> Iterator[Page]:  # fmt: skip
    """Updates for the page while it tracks, then all results."""
    try:
        with runs.started(request) as stop, tempfile.TemporaryDirectory(prefix="tracknetv5-") as folder:
            tracker, job = _start(video, start, length, weights, looks, threshold)
            yield _at_start()
            end = job.start + job.frames / float(job.info.fps) if job.frames else None
            charted, chart_at = 0, 0.0  # frames in the chart on the page, and when to send the next
            for news in run(tracker, job, Path(folder), stop, fill_gaps=int(gaps), overlay=draw, style=style):
                if not isinstance(news, Progress):
                    yield _at_end(news, job.info.path.name)
                    continue
                page = _at_work(news)
                # A long chart is half a megabyte, and another hundredth of it is hardly seen.
                if news.stage == "tracking" and monotonic() >= chart_at and news.done > charted * CHART_GROWTH:
                    charted, chart_at = news.done, monotonic() + CHART_SECONDS
                    page = page._replace(plot=gr.update(value=charts.time_charts(news.trajectory, end), visible=True))
                yield page
    except Busy:
        yield Page(gr.skip())
    except Cancelled:
        yield _stopped("Stopped. Press “Find the ball” to start again.")
    except (guard.Refused, VideoError) as error:
        yield _stopped(guard.told(error, video), "bad")
    except (ValueError, OSError) as error:
        yield _stopped(guard.excused(error), "bad")


def _at_start() -> Page:
    hidden = gr.update(visible=False)
    return Page(
        parts.progress_bar("Starting …", 0), go=gr.update(interactive=False), stop=gr.update(visible=True),
        plot=hidden, overlay=hidden, told=hidden, downloads=hidden, finished=hidden,
    )  # fmt: skip


def _at_work(news: Progress) -> Page:
    doing = "Looking for the ball" if news.stage == "tracking" else "Drawing the video"
    count = f"{news.done} of {news.total} frames" if news.total else f"{news.done} frames"
    left = "" if news.seconds_left is None else f", about {max(1, round(news.seconds_left))} s left"
    return Page(
        parts.progress_bar(
            f"{doing}: {count}, {news.rate:.0f} per second{left}", news.done / news.total if news.total else None
        )
    )


def _at_end(result: Result, name: str) -> Page:
    """Everything about a finished run of the video `name`: another may have been chosen meanwhile."""
    name = parts.shortened(name)
    done = f"Done in {result.seconds:.1f} s: “{name}”, {result.rate:.0f} frames per second while tracking."
    begin = float(result.trajectory.time[0])
    if begin >= 0.05:
        done += f" Times are those of your video; the marked one begins at its {begin:.1f} s."
    if result.warning:
        done += f" Take care: {result.warning}."
    film = None if result.overlay is None else str(result.overlay)
    return Page(
        parts.notice(done, "good"),
        go=gr.update(interactive=True),
        stop=gr.update(visible=False),
        plot=gr.update(value=charts.time_charts(result.trajectory), visible=True),
        overlay=gr.update(value=film, visible=film is not None, label=f"Ball marked in “{name}”"),
        told=gr.update(value=words.summary(result.trajectory), visible=True),
        downloads=gr.update(visible=True),
        csv=str(result.csv),
        json=str(result.json),
        film=gr.update(value=film, visible=film is not None),
        archive=str(result.archive),
        finished=gr.update(visible=True),
        court=gr.update(value=str(result.court), label=COURT + (OF_MAIN_SHOT if result.trajectory.cuts else "")),
        rallies=parts.table(
            "Rallies", words.RALLY_HEADERS, words.rally_table(result.trajectory),
            words.rally_begins(result.trajectory) if film else (),
        ),  # fmt: skip
        positions=words.position_table(result.trajectory),
    )


def _stopped(text: str, kind: str = "info") -> Page:
    return Page(parts.notice(text, kind), go=gr.update(interactive=True), stop=gr.update(visible=False))


def _endpoint(video, start, length, settings) -> None:
    """`/track`: what a program calls. Only the video is required; the other inputs have the page's defaults."""
    uploads.only_addresses(video)
    with gr.Row(visible=False):
        call = gr.Button("track")
        table = gr.File(label="CSV: Frame,Visibility,X,Y,Score,Source,Time")
        film = gr.Video(label="MP4 with the ball marked", interactive=False)
        told = gr.Textbox(label="Summary")
    call.click(
        track, [video, start, length, *settings], [table, film, told], api_name="track",
        concurrency_limit=RUNS_AT_ONCE, concurrency_id=QUEUE, show_progress="hidden",
    )  # fmt: skip


def track(
    video: str,
    start: float = 0,
    length: float | None = None,
    weights: str | None = None,
    looks: int = 0,
    threshold: float = 0,
    gaps: int = GAP,
    draw: bool = True,
    style: str = STYLES[0],
) -> Iterator[tuple[str, str | None, str]]:
    """Find the ball in every frame of a sports video (tennis, badminton, padel ...).

    Args:
        video: the video file, or its public https address.
        start: seconds into the video at which to begin.
        length: seconds to track; empty for the rest.
        weights: which of the offered weights to use.
        looks: 1 looks at each frame as often as the network can (three times), 0 as often as its weights say.
        threshold: heat above which a peak is a ball, between 0.05 and 0.95; by default as trained.
        gaps: fill gaps of up to so many frames where the flight on both sides agrees.
        draw: also make the video with the ball marked.
        style: how the ball is marked: "comet" (ring and fading tail), "dots" (ring and a dot a frame) or "ring".

    Returns:
        CSV with one row a frame (pixels of the video), MP4 with the ball marked, a summary in words.
    """
    stop = threading.Event()
    try:
        tracker, job = _start(video, start, length, weights or models.default(), looks, threshold)
        with tempfile.TemporaryDirectory(prefix="tracknetv5-") as folder:
            for news in run(tracker, job, Path(folder), stop, fill_gaps=int(gaps), overlay=draw, style=style):
                if isinstance(news, Result):
                    yield str(news.csv), news.overlay and str(news.overlay), words.summary(news.trajectory)
    except (guard.Refused, VideoError) as error:
        raise gr.Error(guard.told(error, video), print_exception=False) from error
