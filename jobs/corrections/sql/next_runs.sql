/* query
owner: data-platform
reads: [followed_run]
writes: [run_batch]
about: The runs whose turn it is, of the fresh share or of the backlog; the newest first, so that a scan reads few files.
*/
CREATE OR REPLACE TEMP TABLE run_batch AS
SELECT tenant, device_id, rule, form, from_ms, last_ms, until_ms, not_before_ms, kept
FROM followed_run
WHERE not_before_ms < getvariable('final_ms')
  AND (until_ms >= getvariable('fresh_since_ms')) = getvariable('is_fresh')
ORDER BY until_ms DESC, tenant, device_id, rule, last_ms
LIMIT getvariable('batch_size')
