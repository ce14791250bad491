"""Records of the feedback log: actual durations of rides, named as the columns of `feedback`."""

from datetime import datetime

import msgspec

FEEDBACK_ID = "feedback_id"
# As long as the longest window of recent traffic, which is read from the log.
REMEMBERED_DAYS = 28


class FeedbackRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The actual duration of a ride, as received by the endpoint.

    Attributes:
        received_at: When it was received, UTC.
        service: The kind of taxi.
        pickup_at: Start of the ride, New York time with its offset.
        pickup_zone_id: TLC zone of its start.
        dropoff_zone_id: TLC zone of its end.
        actual_minutes: Its duration.
        request_id: Id of the answer that predicted it; None if the sender named the ride instead.
        vendor_id: TLC's id of its vendor; 0 if unknown.
    """

    received_at: datetime
    service: str
    pickup_at: datetime
    pickup_zone_id: int
    dropoff_zone_id: int
    actual_minutes: float
    request_id: str | None = None
    vendor_id: int = 0


class LoggedFeedback(FeedbackRecord, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """A record as it is in the log, with its id."""

    feedback_id: str


_DECODER = msgspec.json.Decoder(LoggedFeedback)


def decode_feedback(line: bytes) -> LoggedFeedback:
    """Decode a line of the log.

    Raises:
        msgspec.MsgspecError: it is no record, for example because a loss of power damaged it.
    """
    return _DECODER.decode(line)
