"""Benchmarks of the platform against common tools, as ratios: `make bench`. See docs/benchmarks.md."""
