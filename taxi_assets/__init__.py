"""An open platform for learning, running and trusting a taxi-duration model."""
