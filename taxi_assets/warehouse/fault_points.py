"""Named points on a file's way to publication and a version's way to champion.

They do nothing in production.

Crash tests replace `fault_point` to stop the process there, and check that the next call finishes or undoes its work.
"""

FAULT_POINTS = (
    "listed",  # the landing folder is listed, no file is changed
    "taken",  # a file left the landing folder, but is not recorded
    "inspected",  # its bytes were read and checked
    "recorded",  # its new state is recorded; the file is not yet moved
    "moved",  # it is in the file store, or in quarantine without its reason
    "scanned",  # the scan is complete
    "checked",  # a month's file is whole and about to be read
    "filled",  # its raw rows are in a file of the warehouse that no table has yet
    "audited",  # its suites have passed
    "registered",  # its files are in the tables, the transaction is open
    "published",  # the transaction is committed
    "refused",  # the month is not published, the file is still in the file store
)

PROMOTION_FAULT_POINTS = (
    "decision_recorded",  # the decision is in the tables, MLflow is unchanged
    "alias_moved",  # the alias `champion` is set, the version has not all its tags
)


def fault_point(point_name: str) -> None:
    """Marks a point of one of the lists; does nothing unless a test replaces it."""
