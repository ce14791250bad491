"""The figures behind a decision that have no column of their own, as JSON for `promotions`."""

import json
from dataclasses import asdict

from taxi_assets.promotion.evidence import Evidence
from taxi_assets.promotion.policy import PromotionPolicy
from taxi_assets.quality.results import json_safe


def comparison_column(evidence: Evidence, policy: PromotionPolicy) -> dict[str, str]:
    """The thresholds of a decision, and the intervals and scores that they were applied to.

    Returns:
        The column `comparison`, a JSON object: `policy`; `baseline_intervals` by baseline; `slices`, a record for each
        value of a slice; `guarded_scopes`, both models' scores by scope. RMSE and differences are in minutes. The last
        two are empty without a champion.
    """
    comparison = evidence.valid_comparison
    scopes = comparison.guardrail_scores if comparison else {}
    found = json_safe(
        {
            "policy": asdict(policy),
            "baseline_intervals": {name: vars(each) for name, each in evidence.baseline_intervals.items()},
            "slices": comparison.slices.to_dict("records") if comparison else [],
            "guarded_scopes": {
                name: {"challenger": vars(ours), "champion": vars(theirs)} for name, (ours, theirs) in scopes.items()
            },
        }
    )
    return {"comparison": json.dumps(found, allow_nan=False)}
