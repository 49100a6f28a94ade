-- From the ledger of what was sent to what must be stored. The payload is the truth: nothing else of the
-- ledger says what was measured. `sent_ledger` is made by the caller. Sentinels only move event time and
-- are no part of the trial.
CREATE OR REPLACE TABLE expected_readings AS
WITH parsed AS (
  SELECT device_id, kind, decode(payload)::JSON AS body
  FROM sent_ledger
  WHERE kind NOT IN ('malformed', 'sentinel')
)
SELECT
  device_id,
  body ->> '$.event_id' AS event_id,
  (body ->> '$.event_time')::BIGINT AS event_time_ms,
  (body ->> '$.location.lat')::DOUBLE AS lat,
  (body ->> '$.location.lon')::DOUBLE AS lon,
  (body -> '$.attributes')::MAP(VARCHAR, VARCHAR) AS attributes,
  (body -> '$.metrics')::MAP(VARCHAR, DOUBLE) AS metrics,
  any_value(kind) AS kind,
  count(*) AS copies
FROM parsed
GROUP BY ALL;

CREATE OR REPLACE TABLE expected_points AS
SELECT device_id, event_id, event_time_ms, entry.key AS metric, entry.value AS value
FROM (
  SELECT device_id, event_id, event_time_ms, unnest(map_entries(metrics)) AS entry
  FROM expected_readings
);

CREATE OR REPLACE TABLE expected_dead_letters AS
SELECT device_id, reason, sha256(payload[:262144]) AS digest, count(*) AS copies
FROM sent_ledger
WHERE kind = 'malformed'
GROUP BY ALL;
