"""A fleet of services with known faults: for the demonstration, for tests and for benchmarks."""
