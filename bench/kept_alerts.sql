-- Alerts as PostgreSQL keeps them; when one was raised is what the stream said last of that.
SELECT
  a.rule,
  a.device_id,
  a.onset_ms,
  (
    SELECT h.at_ms FROM alert_history AS h
    WHERE h.tenant = a.tenant AND h.alert_id = a.alert_id AND h.actor = 'stream' AND h.kind IN ('raised', 'updated')
    ORDER BY h.history_id DESC LIMIT 1
  ) AS raised_ms,
  a.cleared_ms
FROM alert AS a
WHERE a.tenant = %(tenant)s AND a.rule = ANY(%(rules)s::text[]) AND a.state <> 'withdrawn'
ORDER BY a.rule, a.device_id, a.onset_ms;
