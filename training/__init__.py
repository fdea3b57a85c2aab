"""What is learned or checked away from the service: `python -m training.<pipeline>`."""
