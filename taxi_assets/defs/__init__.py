"""The edge: assets, checks, jobs, sensors. The only Dagster code of the project."""
