-- The champion measured on the month, and the growth of its error since the month it was evaluated on. The error is
-- taken beside the width of the intervals, which follows the mix of trips.
WITH measured AS (
    SELECT model_version, condition, rmse / interval_rms_minutes AS error_by_width
    FROM champion_performance
    WHERE month = $month AND slice = 'overall' AND scope = $scope
),
widths AS (
    SELECT month, model_version, condition, sqrt(sum(trips * interval_rms_minutes ** 2) / sum(trips)) AS width
    FROM interval_coverage
    WHERE month < $month
    GROUP BY ALL
),
evaluated AS (
    SELECT model_version, condition, month, rmse / width AS error_by_width
    FROM evaluations JOIN widths USING (month, model_version, condition)
    WHERE model = $model AND slice = 'overall' AND scope = $scope
    QUALIFY month = max(month) OVER (PARTITION BY model_version, condition)
)
SELECT measured.model_version, measured.error_by_width / evaluated.error_by_width - 1 AS error_growth
FROM measured LEFT JOIN evaluated USING (model_version, condition)
