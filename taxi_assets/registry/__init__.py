"""MLflow: runs, registered model versions and their aliases. What a model computes does not belong here."""
