"""Replays the history month by month under a retraining policy, with only what was known then."""
