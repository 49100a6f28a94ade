/* insert
owner: data-platform
position: 1
reads: [told_events]
writes: [device-events]
about: What happened to devices and sites, to whoever wants to know at once.
*/
INSERT INTO `device-events`
SELECT
  CONCAT(tenant, '/', device_id) AS `key`, event_id, type, tenant, device_id, site, event_time, detected_at, cause,
  part_of, devices, details
FROM told_events
