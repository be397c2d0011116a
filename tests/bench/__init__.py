"""Benchmarks: modules to be run by hand, that print figures beside their floors. Not tests."""
