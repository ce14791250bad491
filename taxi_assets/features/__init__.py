"""What a model knows of a trip, one definition for training and serving. Reads no table and fits no model."""
