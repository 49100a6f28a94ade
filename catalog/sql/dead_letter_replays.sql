/* statements
owner: data-platform
reads: [dead_letter_replay]
writes: [dead_letter_replay]
about: The record of replays, for `catalog/dead_letter_replays.py`.
*/

-- name: hold
SELECT pg_try_advisory_lock(hashtextextended(%(key)s, 0))

-- name: release
SELECT pg_advisory_unlock(hashtextextended(%(key)s, 0))

-- name: known
/* What is known of the replays of these dead letters. */
SELECT dead_letter_id, tenant, state, payload, readings, fixes, reason, detail, sent_at, answered_at
FROM dead_letter_replay
WHERE dead_letter_id = ANY(%(ids)s)

-- name: twin
/* Another dead letter whose replay carries one of these readings: the same bytes were refused twice. */
SELECT dead_letter_id
FROM dead_letter_replay
WHERE readings && %(readings)s::text[] AND dead_letter_id <> %(id)s AND state <> 'refused'
ORDER BY sent_at, dead_letter_id
LIMIT 1

-- name: note
/* Notes what is about to be sent, before it is sent, and then what came of it. An accepted replay stays as it is. */
INSERT INTO dead_letter_replay
  (dead_letter_id, tenant, state, payload, readings, fixes, reason, detail, sent_at, answered_at)
VALUES
  (%(dead_letter_id)s, %(tenant)s, %(state)s, %(payload)s, %(readings)s::text[], %(fixes)s::json,
   %(reason)s, %(detail)s, %(sent_at)s, %(answered_at)s)
ON CONFLICT (dead_letter_id) DO UPDATE SET
  state = excluded.state, payload = excluded.payload, readings = excluded.readings, fixes = excluded.fixes,
  reason = excluded.reason, detail = excluded.detail, sent_at = excluded.sent_at, answered_at = excluded.answered_at
WHERE dead_letter_replay.state <> 'accepted'
