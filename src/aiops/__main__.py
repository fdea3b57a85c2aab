"""`python -m aiops`."""

from aiops.cli import app

app()
