"""What people decided becomes a model."""
