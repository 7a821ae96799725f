"""Runs that their visitors can stop."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr

from demo import parts


class Busy(Exception):
    """The visitor has a run already."""


class Runs:
    """The runs of one tab, at most one for each visitor."""

    def __init__(self) -> None:
        self._stops: dict[str, threading.Event] = {}  # session -> set to stop its run

    @contextmanager
    def started(self, request: gr.Request) -> Iterator[threading.Event]:
        """The event that `cancel` sets while the block runs; raises Busy for a second run, as of a double click."""
        stop = threading.Event()
        if self._stops.setdefault(request.session_hash, stop) is not stop:
            raise Busy
        try:
            yield stop
        finally:
            del self._stops[request.session_hash]

    def cancel(self, request: gr.Request) -> str:
        """Stop the visitor's run; a line that says so."""
        self.forget(request)
        return parts.notice("Stopping …")

    def forget(self, request: gr.Request) -> None:
        """Stop the run of a visitor who leaves."""
        if stop := self._stops.get(request.session_hash):
            stop.set()
