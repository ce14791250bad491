"""Serves from many machines: routing, Bentos and logs go through one shared store."""
