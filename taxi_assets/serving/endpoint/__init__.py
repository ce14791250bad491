"""The HTTP endpoint that runs in the Bento: requests, limits, pages. Imports no training library."""
