/* statements
owner: data-platform
about: One day of iot.dead_letters by reason and by partition.
reads: dead_letters (one day)
writes: nothing
*/

-- name: reasons
SELECT reason, count(*) AS letters FROM dead_letters GROUP BY reason;

-- name: coordinates
WITH places AS (
  SELECT kafka_partition, kafka_offset, count(*) AS copies FROM dead_letters GROUP BY kafka_partition, kafka_offset
)
SELECT
  kafka_partition, sum(copies)::BIGINT AS stored, count(*) AS offsets,
  coalesce(min(kafka_offset) FILTER (copies > 1), -1) AS repeats_from,
  coalesce(max(kafka_offset) FILTER (copies > 1), -1) AS repeats_to
FROM places
GROUP BY kafka_partition;
