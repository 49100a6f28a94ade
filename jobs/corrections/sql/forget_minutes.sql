/* query
owner: data-platform
reads: [minute_batch]
writes: [touched_minute, remarked_pane]
about: The minutes of a batch are right now.
*/
DELETE FROM touched_minute
USING minute_batch
WHERE touched_minute.tenant = minute_batch.tenant
  AND touched_minute.device_id = minute_batch.device_id
  AND touched_minute.minute_ms = minute_batch.minute_ms;

DELETE FROM remarked_pane
USING minute_batch
WHERE remarked_pane.tenant = minute_batch.tenant
  AND remarked_pane.device_id = minute_batch.device_id
  AND remarked_pane.pane_ms - remarked_pane.pane_ms % 60000 = minute_batch.minute_ms
