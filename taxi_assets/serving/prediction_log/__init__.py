"""Logs of JSON lines that several processes append to: one writer a segment, any number of readers."""
