"""From the landing folder to the store: each whole file is taken once, and told of whatever becomes of it."""
