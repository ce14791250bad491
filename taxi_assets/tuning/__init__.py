"""The search for parameters of the model within a budget. How a model is trained or scored does not belong here."""
