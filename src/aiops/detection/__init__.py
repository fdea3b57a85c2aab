"""Samples to scores, expected bands and alerts."""
