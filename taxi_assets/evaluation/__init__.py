"""Evaluation of models: predictions, metrics, baselines, diagnostics, back-test. Decides nothing."""
