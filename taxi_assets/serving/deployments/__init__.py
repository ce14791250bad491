"""Model versions of a running endpoint: routing, assignment, model store, checks and hot swap."""
