/* query
owner: data-platform
reads: [stored, span]
about: >
  The readings of the hours each span touches, by device and in order of event time; the caller cuts the spans out.
  Joined by whole hours: an equality, which stays fast with thousands of spans of one device.
*/
CREATE OR REPLACE TEMP TABLE span_hour AS
SELECT DISTINCT tenant, device_id, unnest(range(from_ms // 3600000, to_ms // 3600000 + 1)) AS hour
FROM span;

SELECT s.tenant, s.device_id, s.event_time_ms, s.battery, s.signal, s.late
FROM (
  SELECT
    tenant, device_id, epoch_ms(event_time) AS event_time_ms, metrics['battery_pct'] AS battery,
    metrics['signal_dbm'] AS signal, mark = 'late' AS late
  FROM stored) AS s
SEMI JOIN span_hour AS h
  ON h.tenant = s.tenant AND h.device_id = s.device_id AND h.hour = s.event_time_ms // 3600000
ORDER BY s.tenant, s.device_id, s.event_time_ms
