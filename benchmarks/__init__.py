"""What the platform costs, each figure a ratio to something anyone can run: `make bench`. See docs/benchmarks.md."""
