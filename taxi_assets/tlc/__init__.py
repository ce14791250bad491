"""TLC's published data and its download: columns, file names, polling. Defines no warehouse table."""
