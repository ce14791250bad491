"""Dagster definitions: assets, checks, jobs, sensors. No other package defines any."""
