"""The evidence pack of a decision: files that show what was decided, on what data, and by whom."""
