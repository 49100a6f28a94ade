-- One machine, every 5 min, deg F, UTC; on 2014-01-07 the clock goes back an hour, so 12 times come twice.
CREATE TABLE measured AS
SELECT
  file_no,
  row_no,
  'nab-machine' AS device,
  stem || ':' || row_no AS event,
  epoch_ms("timestamp"::TIMESTAMP) AS recorded_ms,
  ("value"::DOUBLE - 32) * 5 / 9 AS temperature_c,
  NULL::MAP(VARCHAR, VARCHAR) AS attributes,
  NULL::DOUBLE AS lat,
  NULL::DOUBLE AS lon
FROM recording;
