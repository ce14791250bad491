"""Runs the platform's programs together: Dagster, MLflow, the Bento and the reports.

`programs` says what there is to run, `run` runs it, `events` tells what happens to it, `processes` starts and
ends whole process trees, `ports` looks after addresses. What the programs do is not this package's business.
"""
