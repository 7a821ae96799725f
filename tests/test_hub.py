"""Weights to and from the Hub: the real huggingface_hub client, in a process of its own, against a loopback server."""

import json
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
import torch
import yaml
from hub_server import TOKEN, Hub, Repository
from huggingface_hub import scan_cache_dir
from stand_ins import SMALL
from typer.testing import CliRunner

from tracknetv5 import BallTracker, WeightsError, create_model
from tracknetv5.cli import app
from tracknetv5.hub import known_weights, prepare
from tracknetv5.weights import HUB_ORGANISATION, WeightsConfig, load_weights, save_weights

NAME = "someone/ball"


class Client:
    """Runs functions of this module in a process that knows of no other Hub than ours."""

    def __init__(self, hub: Hub, home: Path, **environment: str):
        environment = {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_OFFLINE": "0",
            "HF_TOKEN": "",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
            "OMP_NUM_THREADS": "1",
        } | environment
        before = dict(os.environ)
        os.environ.update(environment)
        try:  # huggingface_hub reads its settings when it is imported: the process starts with them
            self.pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
            self.pool.submit(os.getpid).result()
        finally:
            os.environ.clear()
            os.environ.update(before)

    def __call__(self, function: Callable, *arguments, **options):
        return self.pool.submit(function, *arguments, **options).result()


@pytest.fixture(scope="module")
def hub():
    with Hub() as hub:
        yield hub


@pytest.fixture(scope="module")
def client(hub, tmp_path_factory):
    client = Client(hub, tmp_path_factory.mktemp("home"))
    yield client
    client.pool.shutdown()


@pytest.fixture(autouse=True)
def healthy(hub):
    hub.down = hub.corrupt = hub.down_after_cut = False
    hub.cut_after = None
    hub.forget()


def weights(folder: Path, number: int, **options) -> Path:
    """Small weights, each number with its own tensors and threshold."""
    torch.manual_seed(number)
    model = create_model("tracknet_v5_lite", **SMALL | options)
    config = WeightsConfig(
        model="tracknet_v5_lite",
        options={},
        height=32,
        width=64,
        threshold=0.5 + number / 10,
        licence="cc-by-4.0",
        sports=("squash",),
        metrics={"val, all sports": {"f1": 0.5, "precision": 0.6}},
    )
    return save_weights(model, folder, config)


@pytest.fixture(scope="module")
def pushed(hub, client, tmp_path_factory):
    """A repository with two commits, the older one tagged v1."""
    folder = tmp_path_factory.mktemp("weights")
    code, output = client(run, "push", NAME, "--weights", str(weights(folder / "old", 0)), token=TOKEN)
    assert code == 0, output
    repository = hub.repositories[NAME]
    repository.refs["v1"] = repository.refs["main"]
    code, output = client(run, "push", NAME, "--weights", str(weights(folder / "new", 1)), token=TOKEN)
    assert code == 0 and output.endswith(f"weights: {hub.url}/{NAME}\n")
    return folder


# --- what the client's process does


def run(*arguments: str, token: str | None = None) -> tuple[int, str]:
    """Exit status and output of the command line."""
    environment = {"HF_TOKEN": token} if token else {}
    result = CliRunner(env=environment).invoke(app, list(arguments))
    return result.exit_code, result.output


def pull(name: str = NAME, **options) -> float:
    """The threshold of the weights, which tells them apart."""
    return BallTracker.from_pretrained(name, device="cpu", **options).threshold


def fills_gaps(name: str, **options) -> bool:
    return BallTracker.from_pretrained(name, device="cpu", **options).rectifier is not None


def pull_model(name: str) -> list[float]:
    return create_model("tracknet_v5_lite", pretrained=name).head.conv.weight.flatten()[:5].tolist()


def push_tracker(folder: str, name: str, token: str) -> str:
    return str(BallTracker.from_pretrained(folder).push_to_hub(name, token=token))


def list_cached(cache_dir: str) -> list[tuple[str, str, float | None]]:
    return [(known.name, known.place, known.f1) for known in known_weights(cache_dir)]


# --- push


@pytest.mark.parametrize("name", ["a b/c", "a/b/c", "name..git"])
def test_an_impossible_id_is_refused_before_anything_is_made(name, tmp_path):
    with pytest.raises(WeightsError, match="cannot be a repository's id"):
        prepare(name, tmp_path / "nothing")


def test_what_a_push_leaves_on_the_hub(hub, pushed):
    repository = hub.repositories[NAME]
    files = repository.commits[repository.refs["main"]]
    assert set(files) == {".gitattributes", "README.md", "config.json", "model.safetensors", "picture.jpg"}
    for name in ("config.json", "model.safetensors"):
        assert files[name] == (pushed / "new" / name).read_bytes()
    assert files["model.safetensors"] in hub.lfs.values()
    card = files["README.md"].decode()
    assert f'BallTracker.from_pretrained("{NAME}")' in card
    facts = yaml.safe_load(card.split("---")[1])
    assert facts["library_name"] == "tracknetv5" and facts["license"] == "cc-by-4.0"
    assert facts["pipeline_tag"] == "object-detection" and {"arxiv:2512.02789", "squash"} < set(facts["tags"])
    assert "Sports in the training data: squash." in card
    result = facts["model-index"][0]["results"][0]
    assert result["metrics"][0] == {"type": "f1", "value": 0.5} and result["dataset"]["name"] == "val, all sports"


def test_a_dry_run_sends_nothing(hub, client, pushed):
    code, output = client(run, "push", "ball", "--weights", str(pushed / "new"), "--dry-run")
    assert code == 0 and "model.safetensors" in output
    assert f"nothing was sent to {HUB_ORGANISATION}/ball" in output
    assert hub.log == []


def test_a_private_push_and_who_may_read_it(hub, client, pushed, tmp_path):
    arguments = ("push", "someone/secret", "--weights", str(pushed / "new"), "--private")
    assert client(run, *arguments, token=TOKEN)[0] == 0
    assert hub.repositories["someone/secret"].private
    with pytest.raises(WeightsError, match="someone/secret: no such repository on the Hub, or no access.*auth login"):
        client(pull, "someone/secret", cache_dir=tmp_path, token=False)
    with pytest.raises(WeightsError, match="someone/secret: the Hub refuses the token: log in"):
        client(pull, "someone/secret", cache_dir=tmp_path, token="hf_wrong")
    assert client(pull, "someone/secret", cache_dir=tmp_path, token=TOKEN) == 0.6


def test_a_push_without_the_right_to_write(hub, client, pushed):
    for token in ("hf_wrong", None):
        code, output = client(run, "push", "someone/other", "--weights", str(pushed / "new"), token=token)
        assert code == 1 and "error: someone/other: the upload failed: log in" in output
    assert "someone/other" not in hub.repositories


def test_a_push_of_what_does_not_load(hub, client, tmp_path):
    code, output = client(run, "push", "someone/other", "--weights", str(tmp_path))
    assert code == 1 and "config.json: missing" in output and hub.log == []


def test_the_mixins_own_push(hub, client, pushed):
    client(push_tracker, str(pushed / "new"), "someone/mixin", TOKEN)
    repository = hub.repositories["someone/mixin"]
    files = repository.commits[repository.refs["main"]]
    assert files["model.safetensors"] == (pushed / "new" / "model.safetensors").read_bytes()
    assert b'from_pretrained("someone/mixin")' in files["README.md"]


# --- pull


def test_pull_then_pull_again_without_transfer(hub, client, pushed, tmp_path):
    assert client(pull, cache_dir=tmp_path) == 0.6
    assert {path.rsplit("/", 1)[1] for path in hub.downloads()} == {"config.json", "model.safetensors"}
    hub.forget()
    assert client(pull, cache_dir=tmp_path) == 0.6
    assert hub.downloads() == [] and hub.sent == {}
    assert client(list_cached, tmp_path)[-1] == (NAME, "Hub cache", 0.5)
    code, output = client(run, "models")
    assert code == 0 and "LICENCE" in output and "tracknet_v5_lite" in output


def cached(folder: Path, name: str, **facts) -> None:
    """A repository in a cache, whose config says these things."""
    snapshot = folder / f"models--someone--{name}" / "snapshots" / ("0" * 40)
    refs = snapshot.parents[1] / "refs"
    for made in (snapshot, refs):
        made.mkdir(parents=True)
    (refs / "main").write_text("0" * 40)
    config = {"format_version": 1, "model": "tracknet_v5", "options": {}} | facts
    (snapshot / "config.json").write_text(json.dumps(config))
    (snapshot / "model.safetensors").touch()


def test_repositories_of_others_do_not_end_the_list(tmp_path, monkeypatch):
    cached(tmp_path, "a", licence=None)
    cached(tmp_path, "b", metrics={"val": {"f1": "high"}}, licence=["mit"])
    cached(tmp_path, "c", frames="three")
    cached(tmp_path, "ours", metrics={"val": {"f1": 0.5}}, licence="mit")
    monkeypatch.setattr("tracknetv5.hub.scan_cache_dir", lambda _: scan_cache_dir(tmp_path))
    code, output = run("models")
    assert code == 0 and "tracknet_v5_lite" in output
    assert [line.split()[-2:] for line in output.splitlines() if "someone/ours" in line] == [["0.500", "mit"]]


def test_a_file_in_the_place_of_the_cache_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr("tracknetv5.hub.scan_cache_dir", lambda _: scan_cache_dir(tmp_path / "file"))
    code, output = run("models")
    assert code == 0 and "tracknet_v5_lite" in output
    assert "warning: the Hub's cache cannot be read: " in output and str(tmp_path / "file") in output


def test_another_revision(hub, client, pushed, tmp_path):
    assert client(pull, cache_dir=tmp_path) == 0.6
    assert client(pull, cache_dir=tmp_path, revision="v1") == 0.5
    assert client(pull, f"{NAME}@v1", cache_dir=tmp_path) == 0.5
    assert client(pull, cache_dir=tmp_path, revision=hub.repositories[NAME].refs["v1"]) == 0.5
    with pytest.raises(WeightsError, match=f"{NAME}: the repository has no revision v7"):
        client(pull, cache_dir=tmp_path, revision="v7")


def test_create_model_pulls_too(client, pushed):
    expected = create_model("tracknet_v5_lite", pretrained=pushed / "old").head.conv.weight.flatten()[:5].tolist()
    assert client(pull_model, f"{NAME}@v1") == expected


def test_a_repository_that_does_not_exist(client, pushed, tmp_path):
    with pytest.raises(WeightsError, match="someone/nothing: no such repository on the Hub"):
        client(pull, "someone/nothing", cache_dir=tmp_path)


def test_a_repository_without_weights(hub, client, pushed, tmp_path):
    hub.repositories["someone/pickle"] = Repository()
    hub.repositories["someone/pickle"].commit({"pytorch_model.bin": b"danger", "README.md": b"hello"})
    with pytest.raises(WeightsError, match="config.json: missing"):
        client(pull, "someone/pickle", cache_dir=tmp_path)
    assert hub.downloads() == []


def test_a_rectifier_goes_along(hub, client, tmp_path):
    folder = weights(tmp_path / "both", 3)
    model, config = load_weights(folder)
    facts = WeightsConfig(model="inpaintnet", options={}, frames=16, height=None, width=None)
    save_weights(model, folder, config, rectifier=(create_model("inpaintnet"), facts))
    code, output = client(run, "push", "someone/both", "--weights", str(folder), token=TOKEN)
    assert code == 0, output
    repository = hub.repositories["someone/both"]
    assert {"rectifier/config.json", "rectifier/model.safetensors"} < set(repository.commits[repository.refs["main"]])
    assert client(fills_gaps, "someone/both", cache_dir=tmp_path / "cache")


# --- offline


def test_offline_works_from_the_cache_and_says_what_is_missing(hub, client, pushed, tmp_path):
    assert client(pull, cache_dir=tmp_path) == 0.6
    hub.forget()
    offline = Client(hub, tmp_path, HF_HUB_OFFLINE="1")
    try:
        assert offline(pull, cache_dir=tmp_path) == 0.6
        with pytest.raises(WeightsError, match=f"{NAME} at revision v1: not in the cache.*connect and fetch it once"):
            offline(pull, cache_dir=tmp_path, revision="v1")
        with pytest.raises(WeightsError, match="someone/nothing: not in the cache"):
            offline(pull, "someone/nothing", cache_dir=tmp_path)
    finally:
        offline.pool.shutdown()
    assert client(pull, cache_dir=tmp_path, local_files_only=True) == 0.6
    with pytest.raises(WeightsError, match="not in the cache"):
        client(pull, cache_dir=tmp_path / "empty", local_files_only=True)
    assert hub.log == []


# --- bad connections


def test_a_connection_that_breaks_is_resumed(hub, client, tmp_path):
    # The client keeps what has arrived in pieces of 10 MiB: only a larger file shows where it goes on.
    folder = weights(tmp_path / "large", 2, grid=(600, 600))
    size = (folder / "model.safetensors").stat().st_size
    hub.repositories["someone/large"] = Repository()
    hub.repositories["someone/large"].commit({path.name: path.read_bytes() for path in folder.iterdir()})
    hub.cut_after = size - 1000
    assert client(pull, "someone/large", cache_dir=tmp_path) == 0.7
    assert hub.ranges == [f"bytes={10 * 2**20}-"]
    assert hub.sent["model.safetensors"] == 2 * size - 1000 - 10 * 2**20


def test_a_connection_that_stays_broken_fails_clean(hub, client, pushed, tmp_path):
    hub.cut_after, hub.down_after_cut = 10_000, True
    with pytest.raises(WeightsError, match=f"{NAME}: cannot be downloaded"):
        client(pull, cache_dir=tmp_path)
    with pytest.raises(WeightsError, match=f"{NAME}: not in the cache, or not complete"):
        client(pull, cache_dir=tmp_path, local_files_only=True)
    hub.down = False
    assert client(pull, cache_dir=tmp_path) == 0.6


def test_corruption_that_keeps_the_size_is_caught_by_the_recorded_hash(hub, client, pushed, tmp_path):
    hub.corrupt = True
    with pytest.raises(WeightsError, match="damaged: its SHA-256 .* delete (.*) and fetch") as caught:
        client(pull, cache_dir=tmp_path)
    hub.corrupt = False
    Path(str(caught.value).split(" delete ")[1].removesuffix(" and fetch it again")).unlink()
    assert client(pull, cache_dir=tmp_path) == 0.6  # what the message says helps
