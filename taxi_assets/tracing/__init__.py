"""From a version back to where it came from: rebuilt and compared, or told step by step. Knows no Dagster."""
