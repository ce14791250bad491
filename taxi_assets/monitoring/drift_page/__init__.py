"""Evidently's HTML page of a month's drift, on request."""
