/* insert
owner: data-platform
position: 2
reads: [alert_changes]
writes: [alerts]
about: What became of alerts, to whoever keeps their life and tells people.
*/
INSERT INTO alerts
SELECT
  CONCAT(tenant, '/', device_id) AS `key`, alert_id, tenant, device_id, site, rule, rule_version, kind, severity, onset_ms,
  at_ms, shadow, retroactive, evidence
FROM alert_changes
