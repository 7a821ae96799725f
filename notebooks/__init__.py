"""Executed notebooks, thin over the package and `benchmarks`."""
