"""Records of the feedback log: actual durations of rides, named as the columns of `feedback`."""

from datetime import datetime
from typing import Annotated

import msgspec

from taxi_assets.tlc.services import SERVICES

Zone = Annotated[int, msgspec.Meta(ge=1, le=265)]
Vendor = Annotated[int, msgspec.Meta(ge=0, le=255)]
Minutes = Annotated[float, msgspec.Meta(gt=0)]

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
    pickup_zone_id: Zone
    dropoff_zone_id: Zone
    actual_minutes: Minutes
    request_id: str | None = None
    vendor_id: Vendor = 0


class LoggedFeedback(FeedbackRecord, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """A record as it is in the log, with its id."""

    feedback_id: str

    def __post_init__(self) -> None:
        if self.service not in SERVICES:
            raise ValueError(f"there is no service {self.service!r}")


_DECODER = msgspec.json.Decoder(LoggedFeedback)


def decode_feedback(line: bytes) -> LoggedFeedback:
    """Decode a line of the log.

    Raises:
        msgspec.MsgspecError: it is no record, for example because a loss of power damaged it.
    """
    return _DECODER.decode(line)
