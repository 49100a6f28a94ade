/* query
owner: data-platform
reads: [new_late]
writes: [touched_hour]
about: >
  The hours of event time in which late readings of a device may raise alerts, and which metrics they carry. `unmarked` =
  some of them are late in spite of their mark. `far` = how often it was looked further back, since what was nearer did not
  tell how they found the device. What only repeats raises nothing.
*/
CREATE OR REPLACE TEMP TABLE new_hour AS
SELECT
  tenant, device_id, event_time_ms - event_time_ms % 3600000 AS hour_ms,
  min(event_time_ms) AS first_ms, max(event_time_ms) AS last_ms,
  list_distinct(flatten(list(metrics))) AS metrics, bool_or(located) AS located, bool_or(mark <> 'late') AS unmarked
FROM new_late
WHERE NOT repeated
GROUP BY ALL;

UPDATE touched_hour AS held
SET
  first_ms = least(held.first_ms, n.first_ms),
  last_ms = greatest(held.last_ms, n.last_ms),
  metrics = list_distinct(list_concat(held.metrics, n.metrics)),
  located = held.located OR n.located,
  unmarked = held.unmarked OR n.unmarked,
  grown_at_ms = getvariable('now_ms')
FROM new_hour AS n
WHERE held.tenant = n.tenant AND held.device_id = n.device_id AND held.hour_ms = n.hour_ms;

INSERT INTO touched_hour
SELECT
  tenant, device_id, hour_ms, first_ms, last_ms, metrics, located, unmarked, 0,
  getvariable('now_ms'), getvariable('now_ms')
FROM new_hour
ANTI JOIN touched_hour USING (tenant, device_id, hour_ms)
