"""TrackNetV5: where the ball is, in every frame of a sports video."""

from tracknetv5.models import create_model, list_models
from tracknetv5.tracker import BallTracker
from tracknetv5.trajectory import Point, Trajectory
from tracknetv5.video import VideoError, VideoWarning
from tracknetv5.weights import WeightsError

__version__ = "0.2.0"
__all__ = [
    "BallTracker",
    "Point",
    "Trajectory",
    "VideoError",
    "VideoWarning",
    "WeightsError",
    "create_model",
    "list_models",
]
