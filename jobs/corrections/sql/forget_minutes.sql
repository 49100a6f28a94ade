/* query
owner: data-platform
reads: [minute_batch]
writes: [touched_minute]
about: The minutes of a batch are right now.
*/
DELETE FROM touched_minute
USING minute_batch
WHERE touched_minute.tenant = minute_batch.tenant
  AND touched_minute.device_id = minute_batch.device_id
  AND touched_minute.minute_ms = minute_batch.minute_ms
