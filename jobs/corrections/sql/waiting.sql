/* query
owner: data-platform
reads: [touched_minute, touched_range, touched_hour]
about: >
  How many windows, ranges and hours wait, and since when the oldest does; those of the last day of event time by themselves.
*/
SELECT queue, event_ms >= getvariable('fresh_since_ms') AS is_fresh, count(*) AS waiting, min(found_at_ms) AS found_at_ms
FROM (
  SELECT 'windows' AS queue, minute_ms AS event_ms, found_at_ms FROM touched_minute
  UNION ALL
  SELECT 'sessions', hour_ms, found_at_ms FROM touched_range
  UNION ALL
  SELECT 'alert_hours', hour_ms, found_at_ms FROM touched_hour)
GROUP BY ALL
