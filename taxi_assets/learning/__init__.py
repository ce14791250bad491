"""Rides out of the lake and a model out of rides."""
