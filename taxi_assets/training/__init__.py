"""From features to a registered model: dataset, training set, estimators, intervals. Judges no model."""
