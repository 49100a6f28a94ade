/* insert
owner: data-platform
position: 1
reads: [alert_changes]
writes: [iot.alert_events]
about: The same, for history.
*/
INSERT INTO lake.iot.alert_events
SELECT
  tenant, alert_id, device_id, site, rule, rule_version, kind, severity,
  TO_TIMESTAMP_LTZ(onset_ms, 3) AS onset, TO_TIMESTAMP_LTZ(at_ms, 3) AS `at`, shadow, retroactive, evidence
FROM alert_changes
