/* statements
owner: data-platform
about: >
  The outbox as whoever delivers it sees it. A claim is a lease: it counts the attempt and moves the next one behind the
  longest delivery, so that a notifier that dies leaves nothing behind but an attempt without an outcome, and several
  may run. A channel gets at most as many as it has room for. Of one alert a channel is told in order: what was said
  earlier comes first, or is given up.
reads: notification, notification_alert, notification_attempt, channel
writes: notification, notification_attempt
*/

-- name: claim
WITH room AS (
  SELECT c.tenant, c.channel, coalesce(r.free, %(most)s) AS free
  FROM channel AS c
  LEFT JOIN unnest(%(tenants)s::text[], %(channels)s::text[], %(free)s::integer[]) AS r (tenant, channel, free)
    ON r.tenant = c.tenant AND r.channel = c.channel
), due AS (
  SELECT next.notification_id
  FROM room CROSS JOIN LATERAL (
    SELECT n.notification_id FROM notification AS n
    WHERE n.tenant = room.tenant AND n.channel = room.channel
      AND n.state IN ('pending', 'failed') AND n.next_attempt_at <= %(now)s
      AND n.notification_id <> ALL (%(in_flight)s::bigint[])
      AND NOT EXISTS (
        SELECT 1
        FROM notification_alert AS mine
        JOIN notification_alert AS other
          ON other.tenant = mine.tenant AND other.alert_id = mine.alert_id AND other.channel = mine.channel
            AND other.notification_id < mine.notification_id
        JOIN notification AS earlier ON earlier.notification_id = other.notification_id
        WHERE mine.notification_id = n.notification_id AND earlier.state IN ('pending', 'failed')
      )
    ORDER BY n.next_attempt_at, n.notification_id
    LIMIT room.free
    FOR UPDATE OF n SKIP LOCKED
  ) AS next
)
UPDATE notification AS n SET attempts = n.attempts + 1, next_attempt_at = %(lease_until)s
FROM due, channel AS c
WHERE n.notification_id = due.notification_id AND c.tenant = n.tenant AND c.channel = n.channel
RETURNING
  n.notification_id, n.tenant, n.channel, n.reason, n.payload, n.attempts AS attempt,
  c.kind, c.settings, c.secret, c.enabled,
  EXISTS (
    SELECT 1 FROM channel_private_reach AS r WHERE r.tenant = n.tenant AND r.channel = n.channel
  ) AS private_allowed;

-- name: note
INSERT INTO notification_attempt (notification_id, attempt, started_at, duration_ms, outcome, detail)
SELECT n.notification_id, %(attempt)s, %(started_at)s, %(duration_ms)s, %(outcome)s, %(detail)s
FROM notification AS n WHERE n.notification_id = %(notification_id)s
ON CONFLICT DO NOTHING;

-- name: settle
UPDATE notification SET
  state = %(state)s,
  last_error = CASE WHEN %(state)s = 'sent' THEN NULL ELSE %(detail)s END,
  sent_at = CASE WHEN %(state)s = 'sent' THEN %(ended_at)s::timestamptz END,
  next_attempt_at = coalesce(%(next_attempt_at)s, next_attempt_at)
WHERE notification_id = %(notification_id)s
  AND (
    (state IN ('pending', 'failed') AND attempts = %(attempt)s)
    -- It arrived, whatever somebody else made of it meanwhile.
    OR (%(state)s = 'sent' AND state <> 'sent')
  );

-- name: give_up_orphans
UPDATE notification AS n SET state = 'dead', last_error = 'there is no such channel'
WHERE n.state IN ('pending', 'failed') AND n.next_attempt_at <= %(now)s
  AND NOT EXISTS (SELECT 1 FROM channel AS c WHERE c.tenant = n.tenant AND c.channel = n.channel);

-- name: give_up_waiting
UPDATE notification SET state = 'dead', last_error = 'the channel did not answer for too long'
WHERE tenant = %(tenant)s AND channel = %(channel)s
  AND state IN ('pending', 'failed') AND next_attempt_at < %(before)s;

-- name: list
SELECT
  notification_id, tenant, alert_id, reason, channel, rule, site, payload, state, attempts, next_attempt_at, last_error,
  created_at, sent_at, group_wait_s
FROM notification
WHERE tenant = %(tenant)s AND notification_id < %(before)s
  AND (%(state)s::text IS NULL OR state = %(state)s)
  AND (%(channel)s::text IS NULL OR channel = %(channel)s)
  AND (
    %(alert_id)s::text IS NULL
    OR notification_id IN (
      SELECT m.notification_id FROM notification_alert AS m
      WHERE m.tenant = %(tenant)s AND m.alert_id = %(alert_id)s
    )
  )
ORDER BY notification_id DESC
LIMIT %(limit)s;

-- name: get
SELECT
  notification_id, tenant, alert_id, reason, channel, rule, site, payload, state, attempts, next_attempt_at, last_error,
  created_at, sent_at, group_wait_s
FROM notification WHERE tenant = %(tenant)s AND notification_id = %(notification_id)s;

-- name: attempts
SELECT attempt, started_at, duration_ms, outcome, detail
FROM notification_attempt WHERE notification_id = %(notification_id)s
ORDER BY attempt;

-- name: retry
UPDATE notification SET state = 'failed', next_attempt_at = %(now)s
WHERE tenant = %(tenant)s AND notification_id = %(notification_id)s AND state IN ('failed', 'dead');
