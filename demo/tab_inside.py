"""The second tab: one window of the network, from the frames it is given to the decision, step by step."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import gradio as gr
import numpy as np

from demo import charts, footage, guard, inspection, models, parts, pictures
from demo.inspection import FINDS, Scan, Window
from demo.tab_track import EXAMPLE_NAMES, EXAMPLES, examples
from tracknetv5.models.motion import MotionPrompt
from tracknetv5.models.v4 import TrackNetV4Options
from tracknetv5.video import VideoError

MINE = "My clip from the Track tab"
PLAY_SECONDS = 0.6  # a frame
SCENE = " And the scene around them without what moves, so that a ball shows that hardly moves itself."
V4_PROMPT = MotionPrompt(TrackNetV4Options()).eval()  # at its published a and b: it needs no weights

# Pictures report where the pointer is, at most ten times a second, in pixels of the network's input.
_POINTER = """
let last = 0;
const read = (event) => {
  const image = event.target.closest('.tile img');
  if (!image || event.timeStamp - last < 100) return;
  last = event.timeStamp;
  const box = image.getBoundingClientRect();
  const {left, top} = image.closest('.tiles').dataset;
  const x = Math.floor((event.clientX - box.left) / box.width * Number(image.getAttribute('width')));
  const y = Math.floor((event.clientY - box.top) / box.height * Number(image.getAttribute('height')));
  trigger('select', {x: Number(left) + x, y: Number(top) + y});
};
element.addEventListener('pointermove', read);
element.addEventListener('pointerdown', read);  // a finger that taps
"""
# Arrow keys step through the frames wherever the focus is, except where they already mean something.
_KEYS = """
document.addEventListener('keydown', (event) => {
  const step = {ArrowLeft: '#inside-back', ArrowRight: '#inside-next'}[event.key];
  const button = step && document.querySelector(step);
  if (!button || button.offsetParent === null) return;
  if (event.target.closest('input:not([type=checkbox]), textarea, video, [role=tab]')) return;
  event.preventDefault();
  button.click();
});
"""


class View(NamedTuple):
    """What one frame shows, in order: the components, or a new value for each."""

    words: Any
    given: Any
    behind: Any
    motion: Any
    curve: Any
    attention: Any
    decision: Any
    against_v4: Any


def build(video: gr.Video, tab: gr.Tab) -> None:
    """Lay out the tab; `video` holds the visitor's own clip."""
    if inspection.network() is None:
        gr.Markdown("The weights that this page offers are not of a TrackNetV5 with both of its parts.")
        return
    name = inspection.network()
    a, b = inspection.learned_map(name)
    gr.Markdown(
        f"How `{name}` finds the ball in one frame, from top to bottom. Choose a frame, or jump to an interesting one; "
        "point at or tap a picture for the numbers behind it."
    )
    clip, start = clip_choice("inside")
    with gr.Row(equal_height=True):
        frame = gr.Slider(0, 1, value=0, step=1, label="Frame", elem_id="inside-frame", scale=5, min_width=280,
                          info="Arrow keys step.", buttons=[])  # fmt: skip
        with gr.Row(scale=2):
            back = gr.Button("◀ Back", size="sm", min_width=60, elem_id="inside-back")
            play = gr.Button("Play", size="sm", min_width=60, elem_id="inside-play")
            onward = gr.Button("Next ▶", size="sm", min_width=60, elem_id="inside-next")
    zoom = gr.Checkbox(True, label="Zoom in on the ball", elem_id="inside-zoom")
    gr.HTML('<h3 class="label">Jump to an interesting frame</h3>')
    with gr.Row():
        finders = [gr.Button(what, size="sm", min_width=110) for what in FINDS]
    found = gr.HTML(elem_id="inside-found")
    words = gr.HTML(elem_id="inside-words")

    def pictures_here(title: str, text: str, elem_id: str) -> gr.HTML:
        gr.Markdown(f"### {title}\n{text}")
        return gr.HTML(elem_id=elem_id, js_on_load=_POINTER)

    given = pictures_here(
        "1. What it is given",
        "Three frames in a row. A white box is the part that is enlarged below."
        + (SCENE if models.load(name).config.background else ""),
        "inside-given",
    )
    behind = gr.HTML(elem_id="inside-behind")
    moved = pictures_here(
        "2. What moved (P+ and P−)",
        "Where the picture became brighter (red) and darker (blue) from one frame to the next. A bright ball is red "
        "where it arrives and blue where it was. White did not change; full colour is a change by a third of the way "
        "from black to white, or more.",
        "inside-motion",
    )
    gr.Markdown(
        "### 3. What gets attention (A+ and A−)\nA learned curve says how much a change counts: 0 (black) is ignored, "
        "1 (white) counts in full. Move *a* and *b* and see below what the network would decide with another curve."
    )
    with gr.Row(equal_height=False):
        with gr.Column(min_width=280):
            curve = gr.HTML(elem_id="inside-curve")
        with gr.Column(min_width=280):
            a_slider = gr.Slider(
                0.02, 1.5, value=round(abs(a), 2), step=0.01, label="a", elem_id="inside-a", buttons=[],
                info="How soft: small is a switch, large a slope.",
            )  # fmt: skip
            b_slider = gr.Slider(
                -1, 1, value=round(b, 2), step=0.01, label="b", elem_id="inside-b", buttons=[],
                info="How much change it takes: larger counts fewer changes.",
            )  # fmt: skip
            reset = gr.Button("Back to what was learned", size="sm")
    attention = gr.HTML(elem_id="inside-attention", js_on_load=_POINTER)
    gr.Markdown(
        "### 4. From draft to decision\nA heatmap says for each place how likely the ball is there: the brighter, the "
        "likelier. The network drafts one, pulls it towards undecided (0.5) wherever the picture did not become "
        "brighter (the gate, in all but the first of the three frames), looks at all three frames again, and adds a "
        "correction (the residual), which clears away what is no ball. A ring marks the ball."
    )
    opacity = gr.Slider(
        0,
        1,
        value=0.8,
        step=0.05,
        label="How strongly the colours cover the picture",
        elem_id="inside-opacity",
        buttons=[],
    )
    decision = gr.HTML(elem_id="inside-decision", js_on_load=_POINTER)
    against = pictures_here(
        "5. Its predecessor beside it",
        "TrackNetV4 sees only *that* a place changed: where a ball left looks like where it arrived. V5 tells the two "
        "apart, so it knows which way the ball flies.",
        "inside-v4",
    )
    nothing_read = parts.notice("Point at or tap a picture to read its values.")
    readout = gr.HTML(
        nothing_read, elem_id="inside-readout", elem_classes="readout",
        js_on_load=_KEYS,
    )  # fmt: skip

    view = View(words, given, behind, moved, curve, attention, decision, against)
    part, place = [clip, video, start], [clip, video, start, frame]
    opened = gr.State(time_to_live=footage.HOUR)
    choices = [*place, a_slider, b_slider, opacity, zoom]
    # One at a time, in order: an answer that overtook a later one would show the wrong frame.
    look = dict(show_progress="hidden", api_visibility="private", concurrency_id="inside", concurrency_limit=1)
    swift = dict(trigger_mode="always_last", **look)
    gr.on(
        [tab.select, clip.change, start.submit, start.blur], open_clip, [*part, opened], [frame, found, opened], **swift
    ).then(show, choices, list(view), **swift)
    gr.on(
        [frame.change, a_slider.change, b_slider.change, zoom.change],
        show,
        choices,
        list(view),
        **swift,
    )
    opacity.change(show_decision, choices, decision, **swift)
    # What was read belongs to the pictures that were there.
    gr.on(
        [clip.change, start.submit, start.blur, frame.change], None, None, readout,
        js=f"() => {json.dumps(nothing_read)}", api_visibility="private",
    )  # fmt: skip
    reset.click(lambda: (round(abs(a), 2), round(b, 2)), None, [a_slider, b_slider], queue=False, **look)
    back.click(step_back, place, frame, **look)
    onward.click(step_on, place, frame, **look)
    timer = gr.Timer(PLAY_SECONDS, active=False)
    timer.tick(step_on, place, frame, **look)
    play.click(
        lambda label: (gr.update(active=label == "Play"), "Pause" if label == "Play" else "Play"),
        play, [timer, play], queue=False, **look,
    )  # fmt: skip
    for button in finders:
        button.click(search, [button, *part], [found, frame], **(look | dict(concurrency_id="search")))
    for html in (given, moved, attention, decision, against):
        html.select(read, [*place, a_slider, b_slider], readout, **swift)


def clip_choice(tab: str) -> tuple[gr.Radio, gr.Number]:
    """Which clip, and from where; element ids begin with the tab's name."""
    clips = [(EXAMPLE_NAMES.get(clip.stem, clip.stem), clip.stem) for clip in examples()]
    with gr.Row():
        clip = gr.Radio(
            [*clips, (MINE, MINE)], value=clips[0][1] if clips else MINE, label="Clip", elem_id=f"{tab}-clip",
            scale=4, min_width=280,
        )  # fmt: skip
        start = gr.Number(
            0, label="Start (seconds)", scale=1, min_width=150, elem_id=f"{tab}-start",
            info=f"Up to {footage.SECONDS:.0f} seconds from there, {footage.FRAMES} frames at most.",
        )  # fmt: skip
    return clip, start


def _footage(clip: str, video: str | None, start: float | None) -> footage.Footage:
    config = models.load(inspection.network()).config
    return footage.get(video if clip == MINE else str(EXAMPLES / f"{clip}.mp4"), start, config)


def open_clip(clip: str, video: str | None, start: float | None, opened: tuple | None) -> tuple:
    """The slider for a part of a clip, what is wrong where it cannot be opened, and which part is open now."""
    part = (clip, video if clip == MINE else None, start)
    if part == opened:  # only looked in again: the frame stays
        return gr.skip(), gr.skip(), gr.skip()
    try:
        clip_frames = _footage(clip, video, start)
    except (guard.Refused, VideoError) as error:
        return gr.update(minimum=0, maximum=1, value=0), parts.notice(guard.told(error, video), "bad"), None
    first, count = clip_frames.first, len(clip_frames)
    return gr.update(minimum=first, maximum=first + max(1, count - 1), value=first + count // 2), "", part


def _window(clip: str, video: str | None, start: float | None, frame: float, a: float, b: float) -> tuple[Window, int]:
    clip_frames = _footage(clip, video, start)
    frame = int(np.clip(frame, clip_frames.first, clip_frames.first + len(clip_frames) - 1))
    learned = inspection.learned_map(inspection.network())
    # The learned values themselves, not what the slider rounds them to, where it was not moved.
    changed = (round(a, 2), round(b, 2)) != (round(abs(learned[0]), 2), round(learned[1], 2))
    chosen = (float(a), float(b)) if changed else (None, None)
    return inspection.inspect(inspection.network(), clip_frames, frame, *chosen), frame


def show(
    clip: str, video: str | None, start: float | None, frame: float, a: float, b: float, opacity: float, zoom: bool
) -> View:
    """All pictures of one frame and its window."""
    try:
        window, frame = _window(clip, video, start, frame, a, b)
    except (guard.Refused, VideoError):
        return View(*[""] * len(View._fields))  # `open_clip` says why
    part = pictures.part(window, frame, zoom)
    learned = inspection.learned_map(inspection.network())
    return View(
        parts.notice(f"Frame {frame}: {inspection.in_words(window, frame)}", "good"),
        pictures.given(window, frame, part),
        pictures.behind(window, frame, part),
        pictures.motion(window, part),
        charts.curve_chart(a, b, learned),
        pictures.attention(window, part),
        pictures.decision(window, frame, opacity, part),
        pictures.against_v4(window, V4_PROMPT, part),
    )


def show_decision(
    clip: str, video: str | None, start: float | None, frame: float, a: float, b: float, opacity: float, zoom: bool
) -> str:
    try:
        window, frame = _window(clip, video, start, frame, a, b)
    except (guard.Refused, VideoError):
        return ""
    return pictures.decision(window, frame, opacity, pictures.part(window, frame, zoom))


def step_back(clip: str, video: str | None, start: float | None, frame: float) -> float:
    """The frame before; the last before the first."""
    return _step(clip, video, start, frame, -1)


def step_on(clip: str, video: str | None, start: float | None, frame: float) -> float:
    """The next frame; the first after the last."""
    return _step(clip, video, start, frame, 1)


def _step(clip: str, video: str | None, start: float | None, frame: float, by: int) -> float:
    try:
        clip_frames = _footage(clip, video, start)
    except (guard.Refused, VideoError):
        return frame
    return clip_frames.first + (int(frame) - clip_frames.first + by) % len(clip_frames)


def search(what: str, clip: str, video: str | None, start: float | None) -> Iterator[tuple]:
    """Look through the whole part for the frame that the button names."""
    try:
        clip_frames = _footage(clip, video, start)
    except (guard.Refused, VideoError) as error:
        yield parts.notice(guard.told(error, video), "bad"), gr.skip()
        return
    for news in _scan(clip_frames):
        if isinstance(news, Scan):
            row, missing = inspection.find(news, what)
            if row is None:
                yield parts.notice(f"{what}: {missing}."), gr.skip()
            else:
                frame = clip_frames.first + row
                yield parts.notice(f"{what}: frame {frame}."), frame
        else:
            total = len(clip_frames)
            yield parts.progress_bar(f"Looking through the clip: {news} of {total} frames", news / total), gr.skip()


def _scan(clip_frames: footage.Footage) -> Iterator[int | Scan]:
    if clip_frames.scan is not None:
        yield clip_frames.scan
        return
    for news in inspection.scan(inspection.network(), clip_frames):
        if isinstance(news, Scan):
            clip_frames.scan = news
        yield news


def read(clip: str, video: str | None, start: float | None, frame: float, a: float, b: float, at: gr.EventData) -> str:
    """The exact values at the pixel under the pointer."""
    try:
        window, frame = _window(clip, video, start, frame, a, b)
    except (guard.Refused, VideoError):
        return ""
    height, width = window.images.shape[1:3]
    x, y = int(np.clip(at.x, 0, width - 1)), int(np.clip(at.y, 0, height - 1))
    row = frame - window.start
    names = ["Pixel", "RGB"]
    values = [f"({x}, {y})", " ".join(map(str, window.images[row, y, x]))]
    for interval in range(len(window.polarity)):
        for sign, mark in enumerate("+−"):
            names += [f"P{mark} {interval + 1}", f"A{mark} {interval + 1}"]
            values += [f"{abs(field[interval, sign, y, x]):.3f}" for field in (window.polarity, window.attention)]
    names += ["Draft", "Gated draft", "Residual", "Logit", "Heat before", "Heat after"]
    values += [f"{field[row, y, x]:+.2f}" for field in (window.draft, window.gated, window.residual, window.logits)]
    values += [f"{heat(frame)[y, x]:.3f}" for heat in (window.drafted, window.refined)]
    return parts.table(f"Frame {frame}, in pixels of the network's input", names, [values])
