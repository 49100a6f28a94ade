/* query
owner: data-platform
reads: [touched_range]
writes: [range_batch]
about: >
  Ranges that event time has passed, whose device has sent nothing late for a while (or has for too long), and whose
  turn it is: of the fresh share or of the backlog, the newest first.
*/
CREATE OR REPLACE TEMP TABLE range_batch AS
SELECT tenant, device_id, hour_ms, first_ms, last_ms, reach_ms
FROM touched_range
WHERE last_ms < getvariable('final_ms')
  AND not_before_ms < getvariable('final_ms')
  AND (grown_at_ms <= getvariable('quiet_since_ms') OR found_at_ms <= getvariable('waited_since_ms'))
  AND (hour_ms >= getvariable('fresh_since_ms')) = getvariable('is_fresh')
  AND (-hour_ms, tenant, device_id) > (
    -getvariable('after_hour_ms'), getvariable('after_tenant'), getvariable('after_device'))
ORDER BY hour_ms DESC, tenant, device_id
LIMIT getvariable('batch_size')
