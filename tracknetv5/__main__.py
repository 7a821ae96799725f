"""`python -m tracknetv5`."""

from tracknetv5.cli import app

app(prog_name="tracknetv5")
