"""DuckDB tables under a DuckLake catalogue: connection, schema, maintenance. What the rows mean belongs to other packages."""
