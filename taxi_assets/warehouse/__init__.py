"""DuckDB tables under a DuckLake catalogue: connection, schema, maintenance. Not what the rows mean."""
