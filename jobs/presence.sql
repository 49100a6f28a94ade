/* insert
owner: data-platform
position: 2
reads: [presences]
writes: [redis.device]
about: What state each device is in, to the hot tier, when it changes.
*/
INSERT INTO written
SELECT write_presence(
  tenant, device_id, state, since, session_start, last_arrival, site, profile, flapping, clock_offset)
FROM presences
