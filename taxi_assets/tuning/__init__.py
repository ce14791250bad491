"""Hyperparameter tuning within a budget. Training and scoring a model do not belong here."""
