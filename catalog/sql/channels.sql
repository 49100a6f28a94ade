/* statements
owner: data-platform
about: Channels as they are configured, and how they fare.
reads: channel, channel_private_reach, notification, rule
writes: channel, channel_private_reach, notification, audit
*/

-- name: list
SELECT
  tenant, channel, kind, about, settings, secret, enabled, group_wait_s, group_wait_critical_s, updated_at, updated_by,
  EXISTS (
    SELECT 1 FROM channel_private_reach AS r WHERE r.tenant = channel.tenant AND r.channel = channel.channel
  ) AS private_allowed
FROM channel WHERE tenant = %(tenant)s
ORDER BY channel;

-- name: get
SELECT
  tenant, channel, kind, about, settings, secret, enabled, group_wait_s, group_wait_critical_s, updated_at, updated_by,
  EXISTS (
    SELECT 1 FROM channel_private_reach AS r WHERE r.tenant = channel.tenant AND r.channel = channel.channel
  ) AS private_allowed
FROM channel WHERE tenant = %(tenant)s AND channel = %(channel)s;

-- name: allows_private
SELECT 1 FROM channel_private_reach WHERE tenant = %(tenant)s AND channel = %(channel)s;

-- name: allow_private
INSERT INTO channel_private_reach (tenant, channel, allowed_at, allowed_by)
VALUES (%(tenant)s, %(channel)s, %(at)s, %(actor)s)
ON CONFLICT DO NOTHING;

-- name: forbid_private
DELETE FROM channel_private_reach WHERE tenant = %(tenant)s AND channel = %(channel)s;

-- name: allowed_private
SELECT channel, allowed_at, allowed_by FROM channel_private_reach WHERE tenant = %(tenant)s
ORDER BY channel;

-- name: lock
SELECT channel FROM channel WHERE tenant = %(tenant)s AND channel = %(channel)s FOR UPDATE;

-- name: put
INSERT INTO channel (
  tenant, channel, kind, about, settings, secret, enabled, group_wait_s, group_wait_critical_s, updated_at, updated_by
)
VALUES (
  %(tenant)s, %(channel)s, %(kind)s, %(about)s, %(settings)s, %(secret)s, %(enabled)s, %(group_wait_s)s,
  %(group_wait_critical_s)s, %(at)s, %(actor)s
)
ON CONFLICT (tenant, channel) DO UPDATE SET
  kind = EXCLUDED.kind, about = EXCLUDED.about, settings = EXCLUDED.settings, secret = EXCLUDED.secret,
  enabled = EXCLUDED.enabled, group_wait_s = EXCLUDED.group_wait_s,
  group_wait_critical_s = EXCLUDED.group_wait_critical_s, updated_at = EXCLUDED.updated_at, updated_by = EXCLUDED.updated_by;

-- name: delete
DELETE FROM channel WHERE tenant = %(tenant)s AND channel = %(channel)s;

-- name: give_up
UPDATE notification SET state = 'dead', last_error = 'the channel was deleted'
WHERE tenant = %(tenant)s AND channel = %(channel)s AND state IN ('pending', 'failed');

-- name: rules
SELECT rule FROM rule
WHERE tenant = %(tenant)s AND state <> 'deleted'
  AND (
    (definition -> 'notify')::jsonb ? %(channel)s
    OR (definition #> '{escalate,notify}')::jsonb ? %(channel)s
  )
ORDER BY rule;

-- name: health
SELECT
  channel,
  count(*) FILTER (WHERE state IN ('pending', 'failed')) AS waiting,
  count(*) FILTER (WHERE state = 'failed') AS failing,
  count(*) FILTER (WHERE state = 'dead' AND created_at > %(since)s) AS dead,
  max(sent_at) AS last_sent_at
FROM notification
WHERE tenant = %(tenant)s AND (state IN ('pending', 'failed') OR created_at > %(since)s)
GROUP BY channel;

-- name: audit
INSERT INTO audit (tenant, at, actor, action, subject_kind, subject, detail)
VALUES (%(tenant)s, %(at)s, %(actor)s, %(action)s, 'channel', %(channel)s, %(detail)s);
