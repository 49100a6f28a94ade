-- One water-pump rig at 1 Hz; UTC; the labels exist in the experiment folders only.
CREATE TABLE measured AS
SELECT
  file_no,
  row_no,
  'skab-rig' AS device,
  folder || '-' || stem || ':' || row_no AS event,
  epoch_ms("datetime"::TIMESTAMP) AS recorded_ms,
  "Accelerometer1RMS"::DOUBLE AS accelerometer_1_rms,
  "Accelerometer2RMS"::DOUBLE AS accelerometer_2_rms,
  "Current"::DOUBLE AS current_a,
  "Pressure"::DOUBLE AS pressure_bar,
  "Temperature"::DOUBLE AS temperature_c,
  "Thermocouple"::DOUBLE AS thermocouple_c,
  "Voltage"::DOUBLE AS voltage_v,
  "Volume Flow RateRMS"::DOUBLE AS flow_lpm,
  CASE WHEN anomaly IS NOT NULL THEN MAP {'anomaly': anomaly, 'changepoint': changepoint} END AS attributes,
  NULL::DOUBLE AS lat,
  NULL::DOUBLE AS lon
FROM recording;
