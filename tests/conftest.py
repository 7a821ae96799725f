"""What holds for all tests."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def torch_unless_asked():
    """No test makes an ONNX file behind its back, or writes to the cache of whoever runs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tracknetv5.tracker.fastest", lambda model, device: "torch")
        yield
