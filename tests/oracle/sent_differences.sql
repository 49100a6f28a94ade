-- What a ledger of sent messages says beyond the readings themselves: how often each went out, and which
-- were late. `actual_readings` is registered by the caller.
CREATE OR REPLACE VIEW sent_differences AS
SELECT
  'copies' AS what, device_id || ' ' || event_id AS place, e.copies::VARCHAR AS expected, a.copies::VARCHAR AS found
FROM expected_readings e
JOIN (SELECT device_id, event_id, count(*) AS copies FROM actual_readings GROUP BY ALL) a USING (device_id, event_id)
WHERE e.copies <> a.copies
UNION ALL
SELECT 'sent late, not marked late', device_id || ' ' || event_id, 'late', a.mark
FROM expected_readings e
JOIN (FROM actual_readings WHERE mark NOT IN ('duplicate', 'replaced')) a USING (device_id, event_id)
WHERE e.kind = 'late' AND a.mark <> 'late';
