"""What holds for all tests, and what several need."""

import os

# Before torch is loaded: threads that wait by spinning make a test many times slower on a machine that is busy.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest
import torch
from stand_ins import ball, write_video

from tracknetv5 import create_model
from tracknetv5.weights import WeightsConfig, save_weights


@pytest.fixture(scope="session", autouse=True)
def the_same_on_any_machine():
    """Unless it asks, no test makes an ONNX file in the cache of whoever runs it, or computes in 16 bits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tracknetv5.predictor.fastest", lambda model, device: "torch")
        patch.setattr("tracknetv5.predictor.fastest_precision", lambda model, device: "float32")
        yield


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """A folder: a small random network for 64 x 128 whose heat lies above the threshold somewhere in every frame."""
    torch.manual_seed(0)
    model = create_model("tracknet_v5_lite", widths=(16, 16), depths=(1, 1), stem_width=16, dim=16, grid=(4, 8))
    config = WeightsConfig(model="tracknet_v5_lite", options={}, height=64, width=128, threshold=0.3)
    return save_weights(model, tmp_path_factory.mktemp("weights"), config)


@pytest.fixture
def indexed(tmp_path):
    """Two clips of the `clips.csv` layout; frame 2 has no ball, frame 3 is not labelled."""
    rows = ["sport,clip,split,group,frames,visible,width,height,fps,source,licence"]
    for sport, clip, split in (("tennis", "a", "train"), ("padel", "b", "val")):
        write_video(tmp_path / sport / f"{clip}.mp4")
        visibility = {2: 0, 3: -1}
        lines = ["Frame,Visibility,X,Y"]
        for k in range(12):
            x, y = ball(k) if visibility.get(k, 1) == 1 else (0, 0)
            lines.append(f"{k},{visibility.get(k, 1)},{x},{y}")
        (tmp_path / sport / f"{clip}.csv").write_text("\n".join(lines))
        rows.append(f"{sport},{clip},{split},court-{clip},12,10,128,72,30,own,MIT")
    (tmp_path / "clips.csv").write_text("\n".join(rows))
    return tmp_path
