"""What TLC publishes and how to get it: columns, file names, download, polling. No table of ours."""
