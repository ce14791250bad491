"""The search space and the budget of a tuning, as Dagster's launchpad shows them."""

import dagster as dg


class TuningConfig(dg.Config):
    """The search space and the budget."""

    months: list[str] | None = None
    """The window, such as 2023-01; unset, the training window of the partition."""
    scored_months: int = 2
    """Number of last months of the window to score, each by a model trained on all months before it."""
    trials: int = 20
    """Maximum number of trials."""
    seconds: float = 900
    """No trial starts later than this after the first."""
    space: dict[str, list[float]] = {  # noqa: RUF012 - pydantic copies it
        "learning_rate": [0.03, 0.3],
        "max_iter": [60, 300],
        "max_leaf_nodes": [15, 127],
        "min_samples_leaf": [50, 800],
        "l2_regularization": [0.1, 50.0],
    }
    """Lowest and highest value of each parameter; integers if both are integers."""
    start: dict[str, float] = {}  # noqa: RUF012
    """Starting values, where they differ from the defaults of a training."""
    estimator: str = "boosted_trees"
    seed: int = 0
