"""The served model, its packaging as a Bento, its endpoint and a client."""
