"""Releases: verified revisions that go from one environment to the next."""
