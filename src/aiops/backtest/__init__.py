"""A history replayed through the service: what would have alerted, in a table, a report and a picture."""
