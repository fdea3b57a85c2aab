"""Self-hosted AIOps: metrics in, scores and candidate incidents out."""

__version__ = "0.1.0"
