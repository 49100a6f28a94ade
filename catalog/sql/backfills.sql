/* statements
owner: data-platform
reads: [backfill, backfill_refused]
writes: [backfill, backfill_refused]
about: The book of imports, for `catalog/backfills.py`.
*/

-- name: hold
SELECT pg_try_advisory_lock(hashtextextended('backfill', 0))

-- name: release
SELECT pg_advisory_unlock(hashtextextended('backfill', 0))

-- name: reserve
INSERT INTO backfill (tenant, files, mapping, first_offset, rows)
SELECT %(tenant)s, %(files)s, %(mapping)s, coalesce(max(first_offset + rows), 0), %(rows)s
FROM backfill
RETURNING backfill_id, first_offset, rows

-- name: pending
SELECT backfill_id, first_offset, rows FROM backfill WHERE state = 'pending' ORDER BY first_offset

-- name: stored
UPDATE backfill SET state = 'stored' WHERE backfill_id = %(backfill_id)s

-- name: give_back
DELETE FROM backfill WHERE backfill_id = %(backfill_id)s AND state = 'pending'

-- name: book_end
SELECT coalesce(max(first_offset + rows), 0) FROM backfill WHERE state = 'stored'

-- name: refused
SELECT digest FROM backfill_refused WHERE tenant = %(tenant)s AND digest = ANY(%(digests)s)

-- name: note_refused
INSERT INTO backfill_refused (tenant, digest)
VALUES (%(tenant)s, %(digest)s)
ON CONFLICT DO NOTHING
