"""What a model is told of a trip under each condition."""

import numpy as np
import small_model

from taxi_assets.evaluation.conditions import CONDITIONS, WITH_RECENT_TRAFFIC, WITHOUT_RECENT_TRAFFIC, served_first
from taxi_assets.evaluation.predict import available_inputs, predict
from taxi_assets.settings import Settings


def trips() -> "small_model.pd.DataFrame":
    """Trips of a week in which every vendor but one measures, one and a half times as long as usual."""
    found = small_model.frame(small_model.trips(600, seed=5))
    minutes = 1.5 * small_model.fitted().predict(found)
    return found.assign(vendor_id=1, passenger_count=2.0, duration_minutes=np.clip(minutes, 1, 60))


def test_without_recent_traffic_a_model_knows_what_a_request_tells() -> None:
    model, asked = small_model.fitted(), trips()
    inputs = available_inputs(WITHOUT_RECENT_TRAFFIC, model, asked)
    assert not any(name.endswith("_ratio") for name in inputs)
    assert "vendor_id" not in inputs
    longer = asked.assign(duration_minutes=np.minimum(asked["duration_minutes"] * 2, 60), vendor_id=6)
    found, again = (predict(model, each, WITHOUT_RECENT_TRAFFIC).minutes for each in (asked, longer))
    assert (found == again).all()


def test_with_recent_traffic_trips_that_ended_tell_of_the_streets() -> None:
    model, asked = small_model.fitted(), trips()
    without, with_traffic = (
        predict(model, asked, each).minutes for each in (WITHOUT_RECENT_TRAFFIC, WITH_RECENT_TRAFFIC)
    )
    assert abs(without - with_traffic).max() > 0.1


def test_the_served_condition_comes_first() -> None:
    assert served_first("with_recent_traffic") == (WITH_RECENT_TRAFFIC, WITHOUT_RECENT_TRAFFIC)
    assert [each.name for each in served_first(Settings().served_condition)] == list(CONDITIONS)
