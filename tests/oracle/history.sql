/* oracle
owner: tests
reads: stored
writes: []
about: Points of one metric of one device, from its readings: aggregates per step, without duplicates.
*/
WITH points AS (
  SELECT time_ms, CASE WHEN $metric = 'x' THEN x ELSE y END AS value
  FROM stored
  WHERE device_id = $device AND mark NOT IN ('duplicate', 'replaced') AND time_ms >= $from_ms AND time_ms < $to_ms
)
SELECT
  time_ms - time_ms % $step_ms AS start_ms, count(*), min(value), max(value), sum(value),
  arg_min(value, time_ms), arg_max(value, time_ms)
FROM points
WHERE value IS NOT NULL
GROUP BY start_ms
ORDER BY start_ms
