-- Aggregates per device, metric and window of getvariable('window_ms'). Where several readings share the
-- first or the last event time, each of their values is a right answer.
CREATE OR REPLACE TABLE expected_windows AS
WITH placed AS (
  SELECT
    *,
    event_time_ms - event_time_ms % getvariable('window_ms') AS window_start_ms,
    min(event_time_ms) OVER same_window AS first_ms,
    max(event_time_ms) OVER same_window AS last_ms
  FROM expected_points
  WINDOW same_window AS (
    PARTITION BY device_id, metric, event_time_ms - event_time_ms % getvariable('window_ms')
  )
)
SELECT
  device_id,
  metric,
  window_start_ms,
  min(value) AS min,
  max(value) AS max,
  sum(value) AS sum,
  count(*) AS count,
  list(DISTINCT value) FILTER (WHERE event_time_ms = first_ms) AS first_any,
  list(DISTINCT value) FILTER (WHERE event_time_ms = last_ms) AS last_any
FROM placed
GROUP BY ALL;
