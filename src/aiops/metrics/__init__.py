"""Samples arriving: wire formats in, columns out."""
