"""MLflow: runs, registered versions, the champion's alias."""
