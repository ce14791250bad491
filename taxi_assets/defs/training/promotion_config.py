"""The thresholds of a promotion, as Dagster's launchpad shows them."""

import dagster as dg

from taxi_assets.promotion.policy import PROMOTION_POLICY


class PromotionConfig(dg.Config):
    """Thresholds of one decision; `promotion/policy.py` has their reasons."""

    margin_minutes: float = PROMOTION_POLICY.margin_minutes
    """The whole interval of the difference of RMSE must lie this far below zero."""
    max_bias_minutes: float = PROMOTION_POLICY.max_bias_minutes
    """Largest mean error, unless the champion's is larger."""
    max_slice_worsening: float = PROMOTION_POLICY.max_slice_worsening
    """Largest growth of the RMSE in a guarded slice, as a share."""
    min_slice_trips: int = PROMOTION_POLICY.min_slice_trips
    """Slices with fewer trips are not guarded."""
    min_trips: int = PROMOTION_POLICY.min_trips
    min_days: int = PROMOTION_POLICY.min_days
