"""The training window: the months a model is trained on."""

from collections.abc import Sequence

from taxi_assets.errors import TaxiError
from taxi_assets.months import Month
from taxi_assets.settings import Settings
from taxi_assets.warehouse.available_months import available_months
from taxi_assets.warehouse.connection import Warehouse

WINDOW_MONTHS = 24  # decision 33 shows what 12 and 36 would cost


def training_window(
    settings: Settings,
    warehouse: Warehouse,
    month: Month,
    window: Sequence[Month],
    window_months: int = WINDOW_MONTHS,
) -> tuple[Month, ...]:
    """The training months, oldest first: the given window, or the available one before `month`.

    Raises:
        TaxiError: the window reaches into the month to be scored.
    """
    if not window:
        with warehouse.reading() as connection:
            return available_window(available_months(connection, settings.services), month, window_months)
    late = [str(each) for each in window if each >= month]
    if late:
        raise TaxiError(f"the window has {', '.join(late)}, not before {month}, the month to be scored: leave it out")
    return tuple(sorted(window))


def available_window(available: Sequence[Month], month: Month, window_months: int = WINDOW_MONTHS) -> tuple[Month, ...]:
    """The training months of a model for `month`: the available ones of the `window_months` before it.

    If none of these is available, the last `window_months` available before `month`. Every command trains on this
    window, so that figures do not depend on the command.
    """
    before = sorted(each for each in available if each < month)
    recent = tuple(each for each in before if each >= month.plus(-window_months))
    return recent or tuple(before[-window_months:])
