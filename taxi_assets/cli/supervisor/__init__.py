"""Runs the platform's programs together: Dagster, MLflow, the Bento and the reports.

`programs` lists them, `supervisor` runs them, `processes` starts and ends process trees, `ports` checks addresses.
"""
