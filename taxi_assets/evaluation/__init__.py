"""How good a model is: predictions of a month, metrics, baselines, diagnostics, back-test. Decides nothing."""
