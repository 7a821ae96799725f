"""Weights on the Hugging Face Hub: putting a folder there, and knowing which weights are at hand.

Fetching is part of weights.py; `BallTracker` has the methods of `huggingface_hub.ModelHubMixin`.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi, scan_cache_dir
from huggingface_hub.errors import CacheNotFound, HfHubHTTPError, HFValidationError, HTTPError, LocalTokenNotFoundError
from huggingface_hub.utils import validate_repo_id

from tracknetv5.card import PICTURE, model_card, write_picture
from tracknetv5.weights import (
    CONFIG,
    HUB_ORGANISATION,
    PRETRAINED,
    RECTIFIER,
    TENSORS,
    WeightsConfig,
    WeightsError,
    available,
    load_weights,
    read_config,
)


@dataclass(frozen=True)
class Upload:
    """What a push sends: the repository's id and its files."""

    repo_id: str
    files: dict[str, bytes | Path]  # path in the repository -> content, or the file that has it

    def size(self, name: str) -> int:
        """Bytes of one file."""
        content = self.files[name]
        return content.stat().st_size if isinstance(content, Path) else len(content)


def prepare(repo_id: str, folder: Path | str) -> Upload:
    """What `push` would send: tensors and configs as they are, and a card that names the repository.

    Args:
        repo_id: "organisation/name"; a name alone is one of our own organisation's.
        folder: weights.

    Raises:
        WeightsError: the weights do not load, or the Hub can have no repository of that id.
    """
    repo_id = repo_id if "/" in repo_id else f"{HUB_ORGANISATION}/{repo_id}"
    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        raise WeightsError(f"{repo_id}: cannot be a repository's id: {' '.join(str(error).split())}") from error
    folder = Path(folder)
    _, config = load_weights(folder)
    names = [CONFIG, TENSORS]
    if config.rectifier:
        load_weights(folder / RECTIFIER)
        names += [f"{RECTIFIER}/{CONFIG}", f"{RECTIFIER}/{TENSORS}"]
    files: dict[str, bytes | Path] = {name: folder / name for name in names}
    files["README.md"] = str(model_card(config, repo_id)).encode()
    with tempfile.TemporaryDirectory() as scratch:
        write_picture(Path(scratch))
        files[PICTURE] = (Path(scratch) / PICTURE).read_bytes()
    return Upload(repo_id, files)


def push(upload: Upload, *, private: bool | None = None, token: str | None = None) -> str:
    """Make the repository if it is not there, and commit all files at once.

    Args:
        upload: from `prepare`.
        private: whether a new repository is; None leaves it to the organisation.
        token: with the right to write; None for the one that `hf auth login` stored.

    Returns:
        The address of the repository.

    Raises:
        WeightsError: the Hub refuses or cannot be reached.
    """
    api = HfApi(token=token)
    try:
        url = api.create_repo(upload.repo_id, private=private, exist_ok=True)
        additions = [
            CommitOperationAdd(path_in_repo=name, path_or_fileobj=content) for name, content in upload.files.items()
        ]
        api.create_commit(upload.repo_id, additions, commit_message="Upload weights, config and card")
    except (HfHubHTTPError, HFValidationError, HTTPError, LocalTokenNotFoundError, OSError) as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        remedy = ": log in with `hf auth login`, or use a token that may write there" if status in (401, 403) else ""
        raise WeightsError(f"{upload.repo_id}: the upload failed{remedy}: {' '.join(str(error).split())}") from error
    return str(url)


@dataclass(frozen=True)
class KnownWeights:
    """Weights that load without a network."""

    name: str  # as from_pretrained takes it
    place: str  # "bundled" or "Hub cache"
    config: WeightsConfig
    size: int  # bytes of the tensors

    @property
    def f1(self) -> float | None:
        """The overall result of its metrics, if there is one and it is a number: configs of others may say anything."""
        figures = next(iter(self.config.metrics.values()), {})
        f1 = figures.get("f1") if isinstance(figures, dict) else None
        return f1 if isinstance(f1, int | float) else None


def known_weights(cache_dir: Path | str | None = None) -> Iterator[KnownWeights]:
    """Bundled weights, then those of our format in the Hub's cache.

    Raises:
        WeightsError: after the bundled ones, if there is something else where the cache should be.
    """
    for name in available():
        yield _known(name, "bundled", PRETRAINED / name)
    try:
        repositories = scan_cache_dir(cache_dir).repos
    except CacheNotFound:
        return
    except (ValueError, OSError) as error:  # a file, or a folder that may not be read
        raise WeightsError(f"the Hub's cache cannot be read: {error}") from error
    for repository in sorted(repositories, key=lambda each: each.repo_id):
        for revision in sorted(repository.revisions, key=lambda each: each.last_modified):
            at = "" if "main" in revision.refs else f"@{min(revision.refs, default=revision.commit_hash)}"
            try:
                yield _known(f"{repository.repo_id}{at}", "Hub cache", revision.snapshot_path)
            except (WeightsError, OSError):  # other people's models, or not complete
                continue


def _known(name: str, place: str, folder: Path) -> KnownWeights:
    return KnownWeights(name, place, read_config(folder), (folder / TENSORS).stat().st_size)
