"""DuckDB tables in a DuckLake catalogue: connection, schema, maintenance. No rules about the rows."""
