/* query
owner: data-platform
reads: [touched_minute]
writes: [minute_batch]
about: >
  The newest minutes whose windows are final, of the fresh share or of the backlog; close to each other in time so that a
  scan reads few files.
*/
CREATE OR REPLACE TEMP TABLE minute_batch AS
SELECT tenant, device_id, minute_ms
FROM touched_minute
WHERE minute_ms + 60000 <= getvariable('final_ms')
  AND (minute_ms >= getvariable('fresh_since_ms')) = getvariable('is_fresh')
ORDER BY minute_ms DESC, tenant, device_id
LIMIT getvariable('batch_size')
