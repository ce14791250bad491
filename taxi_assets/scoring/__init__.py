"""What a model is worth: baselines, errors by slice, and whether it becomes champion."""
