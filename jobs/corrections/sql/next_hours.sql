/* query
owner: data-platform
reads: [touched_hour]
writes: [hour_batch]
about: >
  Hours that event time has passed and whose device has sent nothing late for a while (or has for too long): those within
  six hours of the first, so that a scan reads few files.
*/
CREATE OR REPLACE TEMP TABLE hour_batch AS
WITH due AS (
  SELECT tenant, device_id, hour_ms, first_ms, last_ms, metrics, located, unmarked, far
  FROM touched_hour
  WHERE last_ms < getvariable('final_ms')
    AND (grown_at_ms <= getvariable('quiet_since_ms') OR found_at_ms <= getvariable('waited_since_ms'))
)
FROM due
WHERE hour_ms < (SELECT min(hour_ms) FROM due) + 21600000
ORDER BY hour_ms, tenant, device_id
LIMIT getvariable('batch_size')
