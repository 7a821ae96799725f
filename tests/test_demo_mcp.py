"""The page as an MCP server, and what it downloads for programs."""

import asyncio
import csv
import io
import urllib.request
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tracknetv5.data.synthetic import write_rally

pytest.importorskip("gradio", reason="the demo needs gradio: pip install -e '.[demo]'")
httpx = pytest.importorskip("httpx")
pytest_plugins = ["demo_page"]

from demo import uploads  # noqa: E402 (it needs the libraries asked for above)
from demo.guard import Refused  # noqa: E402


def finished(work: Coroutine):
    """What `work` returns, in a thread of its own: the browser of other tests keeps this thread's event loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


@pytest.fixture(scope="module")
def uploaded(address, tmp_path_factory) -> str:
    """The address under which the page serves an upload of 15 frames."""
    clip = tmp_path_factory.mktemp("clips") / "rally.mp4"
    write_rally(clip, frames=15, size=(144, 256), seed=0)
    (path,) = httpx.post(f"{address}/gradio_api/upload", files={"files": ("rally.mp4", clip.read_bytes())}).json()
    return f"{address}/gradio_api/file={path}"


@pytest.fixture(scope="module")
def ask(address):
    """Calls the tool `track` as an assistant does: whether it failed, and the texts of the answer."""
    mcp = pytest.importorskip("mcp", reason="the MCP client is missing: pip install 'gradio[mcp]'")
    from mcp.client.streamable_http import streamable_http_client

    async def call(arguments):
        async def progress(*_) -> None:
            pass

        async with (
            streamable_http_client(f"{address}/gradio_api/mcp/") as (read, write, _),
            mcp.ClientSession(read, write) as session,
        ):
            await session.initialize()
            tools = (await session.list_tools()).tools
            assert [tool.name for tool in tools] == ["track"]
            assert tools[0].inputSchema["required"] == ["video"]
            answer = await session.call_tool("track", arguments, progress_callback=progress)
            return answer.isError, [content.text for content in answer.content]

    return lambda **arguments: finished(call(arguments))


def test_the_tool_tracks_an_upload(ask, uploaded):
    failed, (table, film, told) = ask(video=uploaded, length=0.4)
    assert not failed
    rows = list(csv.DictReader(io.StringIO(urllib.request.urlopen(table).read().decode())))
    assert [int(row["Frame"]) for row in rows] == list(range(12))
    assert urllib.request.urlopen(film).read(12)[4:8] == b"ftyp"
    assert "12 frames" in told


@pytest.mark.parametrize(
    ("video", "says"),
    [
        ("/etc/hostname", "does not match"),
        ("data:video/mp4;base64,AAAA", "does not match"),
        ("{page}/gradio_api/file=/etc/hostname", "begins with https://"),
        ("{page}/gradio_api/file={root}/demo/examples/occlusion.mp4", "begins with https://"),
        ("https://127.0.0.1/rally.mp4", "failed validation"),
    ],
)
def test_the_tool_opens_neither_files_of_the_server_nor_its_neighbours(ask, address, video, says):
    failed, texts = ask(video=video.format(page=address, root=Path(__file__).parents[1]))
    assert failed
    assert says in texts[0]


@pytest.fixture
def web(monkeypatch):
    """Puts answers in the place of the web: path -> httpx.Response."""

    def answer(pages: dict):
        check = uploads._transport

        async def transport(address):
            if "public.example" not in address:
                return await check(address)
            return httpx.MockTransport(lambda request: pages[request.url.path])

        async def no_answer(_) -> list:
            return []

        monkeypatch.setattr(uploads, "_transport", transport)
        monkeypatch.setattr(uploads.safehttpx, "async_resolve_hostname_google", no_answer)

    return answer


def fetch(address: str, folder: Path) -> Path:
    return finished(uploads.download(address, str(folder)))


def test_a_download_follows_redirects_and_keeps_the_name(web, tmp_path):
    web(
        {
            "/a": httpx.Response(302, headers={"Location": "/match.mp4?key=1"}),
            "/match.mp4": httpx.Response(200, content=b"film"),
        }
    )
    path = fetch("https://public.example/a", tmp_path)
    assert path.name == "match.mp4"
    assert path.read_bytes() == b"film"


def test_a_download_ends_at_the_limit_and_leaves_nothing(web, tmp_path, monkeypatch):
    sent = []

    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self):
            while True:
                sent.append(1)
                yield bytes(1000)

    monkeypatch.setattr(uploads, "MAX_BYTES", 10_000)
    web({"/match.mp4": httpx.Response(200, stream=Endless())})
    with pytest.raises(Refused, match="larger than"):
        fetch("https://public.example/match.mp4", tmp_path)
    assert len(sent) == 11
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("address", "error", "says"),
    [
        ("http://public.host/match.mp4", Refused, "begins with https://"),
        ("file:///etc/hostname", Refused, "begins with https://"),
        ("https://10.0.0.1/match.mp4", ValueError, "failed validation"),
        ("https://public.example/inward", ValueError, "failed validation"),
        ("https://public.example/round", Refused, "redirects too often"),
        ("https://public.example/gone", Refused, "status 404"),
    ],
)
def test_other_addresses_are_refused_also_behind_a_redirect(web, tmp_path, address, error, says):
    web(
        {
            "/inward": httpx.Response(302, headers={"Location": "https://127.0.0.1/match.mp4"}),
            "/round": httpx.Response(302, headers={"Location": "/round"}),
            "/gone": httpx.Response(404),
        }
    )
    with pytest.raises(error, match=says):
        fetch(address, tmp_path)
