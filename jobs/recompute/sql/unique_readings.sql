/* query
owner: data-platform
reads: [warm, cold]
about: Readings of both tiers; one that is being moved from the warm to the cold one is in both and counts once.
*/
CREATE OR REPLACE TEMP TABLE stored AS
SELECT tenant, device_id, event_time, metrics, mark FROM warm
UNION ALL
SELECT c.tenant, c.device_id, c.event_time, c.metrics, c.mark
FROM cold AS c
ANTI JOIN warm AS w ON w.kafka_partition = c.kafka_partition AND w.kafka_offset = c.kafka_offset
