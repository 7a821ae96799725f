"""The published readings come out of the counters as they are, and what they leave out is counted once."""

import json

import pytest

pytest.importorskip("fvcore")
pytest.importorskip("thop")

from fvcore.nn import FlopCountAnalysis  # noqa: E402

from benchmarks import flops  # noqa: E402
from benchmarks.inputs import example  # noqa: E402
from benchmarks.report import RESULTS  # noqa: E402
from tracknetv5.models import create_model  # noqa: E402
from tracknetv5.weights import DEFAULT, PRETRAINED, load_weights  # noqa: E402

SMALL = (96, 128)
LESS = 12  # times fewer pixels than 288 x 512
STORED = {row["model"]: row for row in json.loads((RESULTS / "flops.json").read_text())["models"]}  # at 288 x 512


@pytest.fixture(scope="module")
def rows():
    """Counted now, at a small size. V5 has an embedding of that size, so that it is not interpolated here either."""
    options = {"tracknet_v5": {"grid": (6, 8)}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flops, "create_model", lambda name: create_model(name, **options.get(name, {})))
        names = ("tracknet_v2", "tracknet_v4", "tracknet_v5", "tracknet_v3")
        return {name: flops.count_model(name, SMALL) for name in names}


@pytest.mark.parametrize(
    ("name", "thop", "fvcore", "full", "params"),
    [
        ("tracknet_v2", 112.887595, 112.507748, 112.507748, 11_330_304),
        ("tracknet_v4", 112.887595, 112.509075, 112.509075, 11_330_306),
        ("tracknet_v5", 117.09186, 118.527492, 124.642787, 14_771_458),
        ("tracknet_v3", 114.100273, 113.984668, 113.984668, 11_341_000),
    ],
)
def test_published_networks_read_as_the_reference_implementations(rows, name, thop, fvcore, full, params):
    row, stored = rows[name], STORED[name]
    assert stored["params"] == sum(parameter.numel() for parameter in create_model(name).parameters()) == params
    assert stored["thop_gmacs"] == pytest.approx(thop, abs=1e-6)
    assert stored["fvcore_gmacs"] == pytest.approx(fvcore, abs=1e-6)
    assert stored["full_gmacs"] == pytest.approx(full, abs=1e-6)
    # Everything grows with the number of pixels, but for the products of attention: with its square.
    products = row["attention_products_gmacs"]
    assert LESS * row["thop_gmacs"] == pytest.approx(thop, abs=1e-4)
    assert LESS * row["fvcore_gmacs"] == pytest.approx(fvcore, abs=1e-4)
    assert LESS * (row["full_gmacs"] - products) + LESS**2 * products == pytest.approx(full, abs=1e-4)
    assert row["full_gmacs_per_frame"] * row["frames_out"] == pytest.approx(row["full_gmacs"], abs=1e-4)


def test_paper_prints_multiply_accumulates_to_two_decimals():
    for name, printed in flops.printed_gflops().items():
        assert round(STORED[name]["thop_gmacs"], 2) == printed


def test_parts_add_up(rows):
    for row in rows.values():
        assert sum(row["by_module_gmacs"].values()) == pytest.approx(row["full_gmacs"], abs=1e-5)
    assert rows["tracknet_v2"]["by_module_gmacs"]["rstr"] == 0
    tokens, dim, layers = 3 * 6 * 8, 256, 4
    products = rows["tracknet_v5"]["attention_products_gmacs"]
    assert products == pytest.approx(2 * layers * tokens**2 * dim / 1e9, abs=1e-6)
    scores = layers * 2 * tokens**2  # two heads
    assert rows["tracknet_v5"]["softmax_gops"] == pytest.approx(flops.SOFTMAX_OPS * scores / 1e9, abs=1e-6)


def test_readings_of_the_increase():
    increase = {row["reading"]: row["increase_percent"] for row in flops.readings(list(STORED.values()))}
    assert increase == {"thop_gmacs": 3.724, "fvcore_gmacs": 5.351, "full_gmacs": 10.786}
    assert flops.readings([STORED["tracknet_v2"]]) == []


@pytest.mark.parametrize("name", ["tracknet_v2_lite", "tracknet_v5_lite", "inpaintnet"])
def test_handlers_leave_fvcores_own_count_alone(name):
    model = create_model(name).eval()
    plain = FlopCountAnalysis(model, example(model, SMALL)).unsupported_ops_warnings(False)
    kinds, modules = flops.operations(model, SMALL)
    assert flops.macs(kinds) == plain.total()
    assert sum(flops.full_macs_by_part(modules).values()) == flops.full_macs(kinds)


def test_command_writes_the_file_and_names_a_size_that_does_not_fit(tmp_path, capsys):
    output = tmp_path / "new" / "flops.json"
    flops.main(["--models", "tracknet_v5_lite", "--size", "96", "128", "--output", str(output)])
    result = json.loads(output.read_text())
    (row,) = result["models"]
    assert row["model"] == "tracknet_v5_lite" and result["size"] == [96, 128] and row["published_gflops"] is None
    model, config = load_weights(PRETRAINED / DEFAULT)
    (bundled,) = result["bundled"]
    assert bundled["params"] == sum(parameter.numel() for parameter in model.parameters()) != row["params"]
    assert bundled["size"] == [config.height, config.width] and bundled["sha256"] == config.sha256
    assert bundled["full_gmacs"] == pytest.approx(3 * bundled["full_gmacs_per_frame"], abs=1e-5)
    assert result["env"]["thop"] and "tracknet_v5_lite" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        flops.main(["--models", "tracknet_v5_lite", "--size", "97", "128", "--output", str(output)])
    assert "multiples of" in capsys.readouterr().err


def test_growth_follows_the_size(monkeypatch):
    monkeypatch.setattr(flops, "SIZE", SMALL)
    monkeypatch.setattr(flops, "SIZES", (SMALL, (192, 256)))
    monkeypatch.setattr(flops, "FRAMES", (3,))
    monkeypatch.setattr(flops, "WIDTHS", (0.5, 1.0))
    table = flops.growth(["tracknet_v5_lite"])
    small, large = (row["full_gmacs"] for row in table["size"])
    assert 3.9 < large / small < 5  # a little more than the number of pixels: attention
    half, full = (row["full_gmacs"] for row in table["width"])
    assert half < full
