"""The champion as a Bento, the model it answers from, and a client."""
