"""Features of a trip, defined once for training and serving. Reads no table, fits no model."""
