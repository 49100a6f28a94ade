/* Alerts of two devices with all that hangs on them, and a message for each. */
INSERT INTO alert (tenant, alert_id, rule, rule_version, device_id, site, severity, shadow, retroactive, evidence, onset_ms, at_ms, raised_at)
VALUES
  ('demo', 'alert-gone', 'hot', 1, 'gone', '', 'info', false, false, '{}', 1, 1, now()),
  ('demo', 'alert-stays', 'hot', 1, 'stays', '', 'info', false, false, '{}', 1, 1, now());
INSERT INTO alert_history (tenant, alert_id, kind, at_ms, actor, noted_at)
VALUES ('demo', 'alert-gone', 'raised', 1, 'stream', now()), ('demo', 'alert-stays', 'raised', 1, 'stream', now());
INSERT INTO alert_comment (tenant, alert_id, author, body, made_at) VALUES ('demo', 'alert-gone', 'a', 'b', now());
INSERT INTO notification (tenant, alert_id, reason, channel, rule, site, payload, next_attempt_at, created_at)
VALUES
  ('demo', 'alert-gone', 'raised', 'mail', 'hot', '', '{}', now(), now()),
  ('demo', 'alert-stays', 'raised', 'mail', 'hot', '', '{}', now(), now());
INSERT INTO notification_alert (tenant, alert_id, reason, channel, notification_id)
SELECT tenant, alert_id, reason, channel, notification_id FROM notification;
INSERT INTO dead_letter_replay (dead_letter_id, tenant, payload, readings, sent_at)
VALUES ('0-0', 'demo', 'x', '{demo/gone/1}', now()), ('0-1', 'demo', 'x', '{demo/gone-too/1}', now());
INSERT INTO dead_letter_replay (dead_letter_id, tenant, state, payload, readings, detail, sent_at, answered_at)
VALUES
  ('0-2', 'demo', 'refused', '{"device_id":"gone","temp":1}', '{}', '[0] unknown_field: temp', now(), now()),
  ('0-3', 'demo', 'refused', '', '{}', 'the address names ''gone'', the message ''x''', now(), now()),
  ('0-4', 'demo', 'refused', '{"device_id":"gone-too","temp":1}', '{}', '[0] unknown_field: temp', now(), now()),
  ('0-5', 'other', 'refused', '{"device_id":"gone","temp":1}', '{}', '[0] unknown_field: temp', now(), now());
INSERT INTO audit (tenant, at, actor, action, subject_kind, subject)
VALUES ('demo', now(), 'a', 'acknowledge', 'alert', 'alert-gone'), ('demo', now(), 'a', 'acknowledge', 'alert', 'alert-stays');
