"""Plots as PNG bytes, and the pages that show them. Each title states the plot's finding in figures."""
