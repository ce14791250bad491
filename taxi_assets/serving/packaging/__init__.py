"""Exports a fitted model and builds its Bento; runs in Dagster and the command line, not in the Bento."""
