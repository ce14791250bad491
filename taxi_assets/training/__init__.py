"""From features to a registered model: dataset, training set, estimators, intervals. Scores no model."""
