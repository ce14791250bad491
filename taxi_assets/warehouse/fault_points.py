"""The moments of a file's way from arrival to publication, each a name. Nothing happens at them.

They are where a campaign stops the process, by putting another function in the place of `fault_point`, to see that
whatever had been done by then is finished or undone by the next look.
"""

__all__ = ["FAULT_POINTS", "fault_point"]

FAULT_POINTS = (
    "seen",  # the landing folder was looked through, nothing has been touched
    "taken",  # a file left the landing folder; the lake does not know of it
    "examined",  # its bytes were read and judged
    "recorded",  # the lake knows what becomes of it; it is not yet there
    "moved",  # it is in the store, or in quarantine without its reason
    "settled",  # a look is over
    "checked",  # a month's file proved whole, and is about to be read
    "filled",  # its rows are in the open transaction
    "audited",  # its suite has passed, the transaction is open
    "published",  # the transaction is committed
    "refused",  # the transaction is rolled back, the file still in the store
)


def fault_point(point_name: str) -> None:
    """Note that the point_name has come."""
