"""After training: drift, overdue and unfinished months, superseded versions, lineage, reproduction."""
