"""The whole page: its tabs, and the limits it runs under."""

import threading

import gradio as gr

from demo import footage, models, tab_about, tab_compare, tab_inside, tab_track, uploads
from demo.guard import MAX_BYTES
from demo.style import CSS, THEME

MINUTE = 60


def build() -> gr.Blocks:
    # Within an hour after they were made, uploads and results are deleted.
    kept = (MINUTE, footage.HOUR - MINUTE)
    with gr.Blocks(title="TrackNetV5", analytics_enabled=False, delete_cache=kept, fill_width=True) as page:
        gr.HTML(
            '<header class="masthead"><h1>TrackNetV5</h1>'
            "<p>Finds the ball in every frame of a match video: tennis, badminton, padel.</p></header>"
        )
        with gr.Tabs():
            with gr.Tab("Track", id="track"):
                video = tab_track.build()
            with gr.Tab("Inside the network", id="inside") as inside:
                tab_inside.build(video, inside)
            with gr.Tab("Compare", id="compare"):
                tab_compare.build(video)
            with gr.Tab("About", id="about"):
                tab_about.build()
        page.unload(tab_track.runs.forget)
        page.unload(tab_compare.runs.forget)
    return page


def launch() -> None:
    """Serve the page until interrupted; programs reach `/track` by Gradio's client and over MCP.

    Raises:
        WeightsError: the default weights are missing or damaged; better now than at the first visitor.
    """
    models.load(models.default())
    uploads.install()
    threading.Thread(target=footage.keep_tidy, name="tidy", daemon=True).start()
    page = build()
    page.queue(max_size=20)
    page.launch(
        theme=THEME,
        css_paths=CSS,
        max_file_size=MAX_BYTES,
        mcp_server=True,
        run_history=False,  # it would keep the visitor's videos in his browser
        footer_links=["api", "settings"],
    )
