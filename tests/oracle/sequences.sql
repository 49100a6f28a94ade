-- Sequences of one device by pointers from reading to reading, without any state machine. Given table `moments`
-- (place from 1 on in the order of time, at_ms, fulfils = a flag for each step, breaks) and variables steps,
-- within_ms, clear_ms.

-- From each reading to the next that is step N, unless one that breaks the sequence lies between them.
CREATE OR REPLACE TABLE hops AS
SELECT place, step, next_place
FROM (
  SELECT
    place,
    step,
    min(CASE WHEN fulfils[step] THEN place END) OVER later AS next_place,
    min(CASE WHEN breaks THEN place END) OVER later AS break_place
  FROM moments, generate_series(2, getvariable('steps')) AS numbers (step)
  WINDOW later AS (PARTITION BY step ORDER BY place ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)
)
WHERE next_place <= coalesce(break_place, next_place);

CREATE OR REPLACE TABLE matches AS
WITH RECURSIVE chains AS (
  SELECT place AS first_place, 1 AS step, place FROM moments WHERE fulfils[1]
  UNION ALL
  SELECT chains.first_place, hops.step, hops.next_place
  FROM chains JOIN hops ON hops.place = chains.place AND hops.step = chains.step + 1
)
SELECT chains.first_place, chains.place AS last_place, begun.at_ms AS onset_ms, ended.at_ms AS raised_ms
FROM chains
JOIN moments AS begun ON begun.place = chains.first_place
JOIN moments AS ended ON ended.place = chains.place
WHERE chains.step = getvariable('steps') AND ended.at_ms - begun.at_ms <= getvariable('within_ms');

-- A match uses up its readings: the next is the first that begins behind its last.
CREATE OR REPLACE TABLE sequence_alerts AS
WITH RECURSIVE followed AS (
  SELECT matches.*, later.first_place AS next_first_place
  FROM matches ASOF LEFT JOIN matches AS later ON matches.last_place < later.first_place
),
picked AS (
  (SELECT * FROM followed ORDER BY first_place LIMIT 1)
  UNION ALL
  SELECT followed.* FROM picked JOIN followed ON followed.first_place = picked.next_first_place
)
SELECT
  onset_ms,
  raised_ms,
  least(raised_ms + getvariable('clear_ms'), lead(raised_ms) OVER (ORDER BY first_place)) AS cleared_ms
FROM picked ORDER BY first_place;
