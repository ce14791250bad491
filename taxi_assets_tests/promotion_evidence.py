"""Evidence of a promotion with figures written here: a challenger better than champion and baselines."""

import numpy as np
import pandas as pd

from taxi_assets.evaluation.metrics import Score
from taxi_assets.months import Month
from taxi_assets.promotion.bootstrap import Interval
from taxi_assets.promotion.evidence import Candidate, Evidence
from taxi_assets.promotion.paired_comparison import PairedComparison
from taxi_assets.promotion.policy import PromotionPolicy

MARCH, FEBRUARY = Month(2023, 3), Month(2023, 2)
PROMOTION_POLICY = PromotionPolicy(margin_minutes=0.05, min_trips=1_000, min_days=14, max_slice_worsening=0.02)


def scored(rmse: float, trips: int = 2_000) -> Score:
    return Score(trips, rmse, rmse * 0.7, 0.0)


def slices(*worsening: float, is_guarded: bool = True) -> pd.DataFrame:
    rows = [
        {
            "slice": "pickup_borough",
            "value": f"Borough {number}",
            "trips": 600,
            "challenger_rmse": 5 * (1 + worse),
            "champion_rmse": 5.0,
            "worsening": worse,
            "is_guarded": is_guarded,
        }
        for number, worse in enumerate(worsening)
    ]
    return pd.DataFrame(rows)


BETTER = Interval(-0.1, -0.15, -0.06)


def compared(interval: Interval = BETTER, *worsening: float) -> PairedComparison:
    ours = 5.2 + interval.difference
    return PairedComparison(2_000, 31, ours, 5.2, 3.4, 0.1, interval, np.zeros(1), slices(*worsening or (-0.02,)))


BASELINES = {"zone_pair_median": scored(6.2), "one_hot_linear_regression": scored(7.4)}
SURELY = dict.fromkeys(BASELINES, Interval(-1, -1.2, -0.8))
CHALLENGER = Candidate("2", scored(5.1), FEBRUARY)
CHAMPION = Candidate("1", scored(5.2), Month(2023, 1))
EVIDENCE = Evidence(CHALLENGER, CHAMPION, BASELINES, SURELY, compared(), MARCH, 31, 7)
