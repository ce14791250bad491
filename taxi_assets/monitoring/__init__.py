"""Whether a month is still like those the model learned from."""
