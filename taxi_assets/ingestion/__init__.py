"""Ingests files of the landing folder into the warehouse as trips.

Getting files from TLC, and models, do not belong here.
"""
