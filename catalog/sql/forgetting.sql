/* statements
owner: data-platform
reads: [device, device_removed, maintenance_window, alert, alert_history, alert_comment, notification, notification_alert,
  notification_attempt, dead_letter_replay, audit, context_publication]
writes: [device, device_removed, maintenance_window, alert, alert_history, alert_comment, notification, notification_alert,
  notification_attempt, dead_letter_replay, audit]
about: >
  Rows of one device, for `catalog/forgetting/registry_store.py`. A message that names several devices goes whole. What is
  written of several devices at once (rules that name it, sites) is not its own and stays. A replay that was refused may
  list no readings: then any word of it that is the device's name counts, for all it says is why nothing was sent.
*/

-- name: count_rows
SELECT
  (SELECT count(*) FROM device WHERE tenant = %(tenant)s AND device_id = %(device_id)s) AS device,
  (SELECT count(*) FROM device_removed WHERE tenant = %(tenant)s AND device_id = %(device_id)s) AS device_removed,
  (SELECT count(*) FROM maintenance_window WHERE tenant = %(tenant)s AND device_id = %(device_id)s) AS maintenance_window,
  (SELECT count(*) FROM alert WHERE tenant = %(tenant)s AND device_id = %(device_id)s) AS alert,
  (SELECT count(*) FROM alert_history JOIN alert USING (tenant, alert_id)
    WHERE tenant = %(tenant)s AND device_id = %(device_id)s) AS alert_history,
  (SELECT count(*) FROM alert_comment JOIN alert USING (tenant, alert_id)
    WHERE tenant = %(tenant)s AND device_id = %(device_id)s) AS alert_comment,
  (SELECT count(DISTINCT n.notification_id) FROM notification AS n
    LEFT JOIN notification_alert AS m USING (notification_id)
    JOIN alert AS a ON a.tenant = n.tenant AND a.alert_id IN (n.alert_id, m.alert_id)
    WHERE a.tenant = %(tenant)s AND a.device_id = %(device_id)s) AS notification,
  (SELECT count(*) FROM dead_letter_replay
    WHERE tenant = %(tenant)s AND (
      EXISTS (SELECT 1 FROM unnest(readings) AS named WHERE starts_with(named, %(prefix)s))
      OR (readings = '{}' AND concat_ws(' ', encode(payload, 'escape'), detail, fixes) ~ %(word)s))
  ) AS dead_letter_replay,
  (SELECT count(*) FROM audit JOIN alert ON alert.tenant = audit.tenant AND alert.alert_id = audit.subject
    WHERE audit.subject_kind = 'alert' AND alert.tenant = %(tenant)s AND alert.device_id = %(device_id)s) AS audit

-- name: forget_audit
DELETE FROM audit USING alert
WHERE audit.subject_kind = 'alert' AND audit.tenant = alert.tenant AND audit.subject = alert.alert_id
  AND alert.tenant = %(tenant)s AND alert.device_id = %(device_id)s

-- name: forget_messages
DELETE FROM notification
WHERE notification_id IN (
  SELECT n.notification_id
  FROM notification AS n
  LEFT JOIN notification_alert AS m USING (notification_id)
  JOIN alert AS a ON a.tenant = n.tenant AND a.alert_id IN (n.alert_id, m.alert_id)
  WHERE a.tenant = %(tenant)s AND a.device_id = %(device_id)s)

-- name: forget_comments
DELETE FROM alert_comment USING alert
WHERE alert_comment.tenant = alert.tenant AND alert_comment.alert_id = alert.alert_id
  AND alert.tenant = %(tenant)s AND alert.device_id = %(device_id)s

-- name: forget_history
DELETE FROM alert_history USING alert
WHERE alert_history.tenant = alert.tenant AND alert_history.alert_id = alert.alert_id
  AND alert.tenant = %(tenant)s AND alert.device_id = %(device_id)s

-- name: forget_alerts
DELETE FROM alert WHERE tenant = %(tenant)s AND device_id = %(device_id)s

-- name: forget_replays
DELETE FROM dead_letter_replay
WHERE tenant = %(tenant)s AND (
  EXISTS (SELECT 1 FROM unnest(readings) AS named WHERE starts_with(named, %(prefix)s))
  OR (readings = '{}' AND concat_ws(' ', encode(payload, 'escape'), detail, fixes) ~ %(word)s))

-- name: forget_device
DELETE FROM device WHERE tenant = %(tenant)s AND device_id = %(device_id)s

-- name: is_published
/* Whether readers of the topic were told that the device is configured no longer. */
SELECT NOT EXISTS (
  SELECT 1 FROM device_removed
  WHERE tenant = %(tenant)s AND device_id = %(device_id)s
    AND change > coalesce((SELECT change FROM context_publication WHERE topic = %(topic)s), -1))

-- name: forget_removal
DELETE FROM device_removed WHERE tenant = %(tenant)s AND device_id = %(device_id)s
