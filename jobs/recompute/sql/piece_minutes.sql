/* query
owner: data-platform
writes: [minute_batch]
about: All minutes of some devices of a tenant in a span of event time.
*/
CREATE OR REPLACE TEMP TABLE minute_batch AS
SELECT getvariable('tenant') AS tenant, d.device_id, m.minute_ms
FROM (SELECT unnest(getvariable('devices')) AS device_id) AS d
CROSS JOIN (SELECT unnest(range(getvariable('from_ms'), getvariable('to_ms'), 60000)) AS minute_ms) AS m
