/* query
owner: data-platform
reads: [touched_hour]
writes: [hour_batch]
about: >
  Hours that event time has passed and whose device has sent nothing late for a while (or has for too long), of the fresh
  share or of the backlog: the newest first, and of each device those that follow each other without a gap of more than six
  hours, so that they are judged in one go.
*/
CREATE OR REPLACE TEMP TABLE hour_batch AS
WITH due AS (
  SELECT
    tenant, device_id, hour_ms, first_ms, last_ms, metrics, located, unmarked, far,
    lag(hour_ms) OVER (PARTITION BY tenant, device_id ORDER BY hour_ms DESC) - hour_ms AS gap_ms
  FROM touched_hour
  WHERE last_ms < getvariable('final_ms')
    AND (hour_ms >= getvariable('fresh_since_ms')) = getvariable('is_fresh')
    AND (grown_at_ms <= getvariable('quiet_since_ms') OR found_at_ms <= getvariable('waited_since_ms'))
),
spans AS (
  SELECT
    * EXCLUDE (gap_ms),
    count(*) FILTER (gap_ms > 21600000) OVER (PARTITION BY tenant, device_id ORDER BY hour_ms DESC) AS gaps
  FROM due
)
SELECT * EXCLUDE (gaps)
FROM spans
WHERE gaps = 0
ORDER BY hour_ms DESC, tenant, device_id
LIMIT getvariable('batch_size')
