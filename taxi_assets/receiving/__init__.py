"""From the landing folder to the store: each file is taken when it is whole, once, and told of whatever becomes of it."""
