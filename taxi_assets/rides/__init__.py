"""A ride as the model sees it: calendar, places and history, the same for training and for the service."""
