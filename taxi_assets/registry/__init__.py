"""MLflow: runs, registered model versions and their aliases. Models themselves are in `training`."""
