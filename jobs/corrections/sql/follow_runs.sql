/* query
owner: data-platform
reads: [run_batch, begun_run]
writes: [followed_run]
about: The runs of a batch as they are by now; those that are over are gone.
*/
DELETE FROM followed_run
USING run_batch AS b
WHERE followed_run.tenant = b.tenant AND followed_run.device_id = b.device_id AND followed_run.rule = b.rule
  AND followed_run.last_ms = b.last_ms;

INSERT INTO followed_run
SELECT tenant, device_id, rule, form, from_ms, last_ms, until_ms, not_before_ms, kept
FROM begun_run
