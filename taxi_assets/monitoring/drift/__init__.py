"""Drift of a month from the training months, and a verdict at a stated rate of false alarms."""
