/* query
owner: data-platform
reads: [touched_minute]
writes: [minute_batch]
about: The next minutes whose windows are final, close to each other in time so that a scan reads few files.
*/
CREATE OR REPLACE TEMP TABLE minute_batch AS
SELECT tenant, device_id, minute_ms
FROM touched_minute
WHERE minute_ms + 60000 <= getvariable('final_ms')
ORDER BY minute_ms, tenant, device_id
LIMIT getvariable('batch_size')
