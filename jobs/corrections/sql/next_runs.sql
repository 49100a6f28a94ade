/* query
owner: data-platform
reads: [followed_run]
writes: [run_batch]
about: The runs whose turn it is, close to each other in time so that a scan reads few files.
*/
CREATE OR REPLACE TEMP TABLE run_batch AS
SELECT tenant, device_id, rule, form, from_ms, last_ms, until_ms, not_before_ms, kept
FROM followed_run
WHERE not_before_ms < getvariable('final_ms')
ORDER BY until_ms, tenant, device_id, rule, last_ms
LIMIT getvariable('batch_size')
