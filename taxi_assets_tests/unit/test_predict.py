"""Model inputs available under each condition."""

import numpy as np
import small_model

from taxi_assets.settings import Settings
from taxi_assets.training.conditions import (
    CONDITIONS,
    WITH_RECENT_TRAFFIC,
    WITHOUT_RECENT_TRAFFIC,
    available_inputs,
    predict,
    served_first,
)


def trips() -> "small_model.pd.DataFrame":
    """Trips of a week, one and a half times as long as usual, all of vendor 1."""
    found = small_model.frame(small_model.trips(600, seed=5))
    minutes = 1.5 * small_model.fitted().predict(found)
    return found.assign(vendor_id=1, passenger_count=2.0, duration_minutes=np.clip(minutes, 1, 60))


def test_without_recent_traffic_a_model_has_only_the_inputs_of_a_request() -> None:
    model, requested = small_model.fitted(), trips()
    inputs = available_inputs(WITHOUT_RECENT_TRAFFIC, model, requested)
    assert not any(name.endswith("_ratio") for name in inputs)
    assert "vendor_id" not in inputs
    longer = requested.assign(duration_minutes=np.minimum(requested["duration_minutes"] * 2, 60), vendor_id=6)
    found, again = (predict(model, each, WITHOUT_RECENT_TRAFFIC).minutes for each in (requested, longer))
    assert (found == again).all()


def test_with_recent_traffic_completed_trips_change_predictions() -> None:
    model, requested = small_model.fitted(), trips()
    without, with_traffic = (
        predict(model, requested, each).minutes for each in (WITHOUT_RECENT_TRAFFIC, WITH_RECENT_TRAFFIC)
    )
    assert abs(without - with_traffic).max() > 0.1


def test_the_served_condition_comes_first() -> None:
    assert served_first("with_recent_traffic") == (WITH_RECENT_TRAFFIC, WITHOUT_RECENT_TRAFFIC)
    assert [each.name for each in served_first(Settings().served_condition)] == list(CONDITIONS)
