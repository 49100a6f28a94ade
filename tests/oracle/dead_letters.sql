-- Dead letters as a multiset of device, reason and bytes. `actual_dead_letters` is registered by the caller.
CREATE OR REPLACE TABLE found_dead_letters AS
SELECT device_id, reason, sha256(original) AS digest, count(*) AS copies
FROM actual_dead_letters
GROUP BY ALL;

CREATE OR REPLACE VIEW dead_letter_differences AS
WITH paired AS (
  SELECT device_id, digest, e.reason AS expected_reason, a.reason AS found_reason, e.copies AS wanted, a.copies AS got
  FROM expected_dead_letters e
  FULL JOIN found_dead_letters a USING (device_id, digest)
)
SELECT
  CASE
    WHEN found_reason IS NULL THEN 'missing dead letter'
    WHEN expected_reason IS NULL THEN 'unexpected dead letter'
    WHEN expected_reason <> found_reason THEN 'reason'
    ELSE 'copies'
  END AS what,
  coalesce(device_id, '') || ' ' || coalesce(expected_reason, found_reason) || ' ' || digest[:12] AS place,
  coalesce(wanted || ' x ' || expected_reason, 'nothing') AS expected,
  coalesce(got || ' x ' || found_reason, 'nothing') AS found
FROM paired
WHERE expected_reason IS DISTINCT FROM found_reason OR wanted IS DISTINCT FROM got;
