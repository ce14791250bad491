"""Pictures as PNG bytes, and the pages that show them. Each title states in figures what its picture shows."""
