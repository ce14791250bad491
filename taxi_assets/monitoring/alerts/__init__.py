"""Alerts: conditions that a person should know, recorded once and delivered to a webhook."""
