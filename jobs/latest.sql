/* insert
owner: data-platform
position: 1
reads: [classified]
writes: [redis.device]
about: The newest state of each device to the hot tier, within a second.
*/
INSERT INTO written
SELECT write_latest(
  tenant, device_id, event_time_ms, received_at_ms, CAST(metrics AS STRING),
  location.lat, location.lon, location.alt_m)
FROM classified
WHERE verdict = 2
