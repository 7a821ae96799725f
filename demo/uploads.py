"""Videos that programs name by an address: they are downloaded under the limits of an upload."""

import asyncio
import secrets
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import gradio as gr
import httpx
import safehttpx
from gradio import processing_utils
from gradio.utils import is_in_or_equal
from gradio_client.utils import strip_invalid_filename_characters

from demo.guard import MAX_BYTES, Refused

PATIENCE = 120  # seconds for a download
MAX_REDIRECTS = 5


def install() -> None:
    """Have Gradio fetch addresses with `fetch`: its own download knows no limit and holds all of a file in memory."""
    processing_utils.async_ssrf_protected_download = fetch


def only_addresses(component: gr.components.Component) -> None:
    """MCP sends a string for a file: an address, or the file itself (data:), which Gradio would keep for ever."""
    description = component.api_info() | {"pattern": "^https?://"}
    component.api_info = lambda: description


async def fetch(url: str, cache_dir: str) -> str:
    """The file behind an address, in Gradio's folder of uploads; raises gr.Error with a message for the caller."""
    try:
        return str(_uploaded(url, cache_dir) or await download(url, cache_dir))
    except (Refused, ValueError, httpx.HTTPError, TimeoutError) as error:
        raise gr.Error(f"The file cannot be fetched: {error or 'it took too long'}", print_exception=False) from error


def _uploaded(address: str, folder: str) -> Path | None:
    """The file behind an address that this page gave for an upload: it need not travel again."""
    _, found, path = unquote(urlsplit(address).path).partition("/gradio_api/file=")
    return Path(path) if found and is_in_or_equal(path, folder) and Path(path).is_file() else None


async def download(address: str, folder: str) -> Path:
    """Save what lies at a public https address under a name that nobody can guess.

    As Gradio's own download, it reaches public addresses only, also where a redirect leads and whatever a name server
    says the second time.

    Raises:
        Refused: an address that is not https, an answer that is no file, or a file beyond MAX_BYTES.
        ValueError: a host that is unknown or not public.
        httpx.HTTPError: no answer.
        TimeoutError: it takes longer than PATIENCE.
    """
    async with asyncio.timeout(PATIENCE):
        for _ in range(MAX_REDIRECTS + 1):
            async with (
                httpx.AsyncClient(transport=await _transport(address), timeout=30) as client,
                client.stream("GET", address) as response,
            ):
                if response.status_code == 200:
                    return await _save(response, address, folder)
                if not response.has_redirect_location:
                    raise Refused(f"{urlsplit(address).hostname} answers with status {response.status_code}")
                address = urljoin(address, response.headers["Location"])
    raise Refused("the address redirects too often")


async def _transport(address: str) -> httpx.AsyncBaseTransport | None:
    """A way on which nothing but the public IP of the address's host can be reached."""
    parts = urlsplit(address)
    if parts.scheme != "https" or not parts.hostname:
        raise Refused("give an address that begins with https://")
    if safehttpx.matches_domain_whitelist(parts.hostname, processing_utils.PUBLIC_HOSTNAME_WHITELIST):
        return None  # the Hub: its public names are private addresses within a Space
    return safehttpx.AsyncSecureTransport(await safehttpx.async_validate_url(parts.hostname))


async def _save(response: httpx.Response, address: str, folder: str) -> Path:
    name = strip_invalid_filename_characters(Path(urlsplit(address).path).name) or "video.mp4"
    path = Path(folder) / secrets.token_hex(32) / name
    path.parent.mkdir(parents=True)
    size = 0
    try:
        with path.open("wb") as file:
            async for chunk in response.aiter_bytes():
                size += len(chunk)
                if size > MAX_BYTES:
                    raise Refused(f"it is larger than {MAX_BYTES // 2**20} MB; cut out one rally")
                file.write(chunk)
    except BaseException:
        path.unlink()
        raise
    return path
