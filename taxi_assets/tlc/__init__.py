"""What TLC publishes and how to get it: columns and formats, names of files, download, polling. No table of the warehouse."""
