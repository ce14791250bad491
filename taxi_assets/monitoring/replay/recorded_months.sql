-- The replayed months of a home, oldest first: drift, training, decision, and the champion's errors on each. The first
-- champion's errors are those of its evaluation on its own month, which it has not seen.
WITH decided AS (
    SELECT * FROM retraining_decisions
    WHERE month IN (SELECT unnest($months))
    QUALIFY row_number() OVER (PARTITION BY month ORDER BY decided_at DESC) = 1
),
promoted AS (
    SELECT * FROM promotions
    QUALIFY row_number() OVER (PARTITION BY month ORDER BY decided_at DESC) = 1
),
measured AS (
    SELECT month, model_version, trips, rmse, mae, bias, inside / trips AS coverage_90
    FROM champion_performance
    WHERE slice = 'overall' AND scope = $scope
),
covered AS (
    SELECT month, model_version, condition, sum(inside) / sum(trips) AS coverage_90
    FROM interval_coverage
    GROUP BY ALL
),
evaluated AS (
    SELECT month, model_version, trips, rmse, mae, bias, coverage_90
    FROM evaluations JOIN covered USING (month, model_version, condition)
    WHERE model = $model AND slice = 'overall' AND scope = $scope AND condition = $condition
),
errors AS (
    FROM measured
    UNION ALL
    FROM evaluated SEMI JOIN promoted USING (month, model_version) ANTI JOIN measured USING (month)
)
SELECT
    strftime(decided.month, '%Y-%m') AS month,
    errors.model_version,
    strftime((
        SELECT min(first.month) FROM promotions AS first
        WHERE first.is_promoted AND first.model_version = errors.model_version
    ), '%Y-%m') AS champion,
    errors.trips,
    errors.rmse,
    errors.mae,
    errors.bias,
    errors.coverage_90,
    drift.verdict,
    coalesce(drift.facts, []) AS facts,
    coalesce(drift.verdict IN ('retrain', 'fix data'), false) AS is_alarm,
    decided.error_growth,
    decided.is_retraining AS retrained,
    decided.reason AS training_reason,
    coalesce(promoted.is_promoted, false) AS promoted,
    coalesce(promoted.reasons, []) AS promotion_reasons
FROM decided
LEFT JOIN promoted USING (month)
LEFT JOIN errors USING (month)
-- Without a champion the month is compared with the months of a training, which is no drift of a model.
LEFT JOIN drift_verdicts AS drift ON drift.month = decided.month AND drift.model_version IS NOT NULL
ORDER BY decided.month
