-- Eight Beijing stations, hourly, local time UTC+8 all year, NA = missing.
CREATE TABLE measured AS
SELECT
  file_no,
  row_no,
  station AS device,
  station || ':' || row_no AS event,
  epoch_ms(make_timestamp("year"::BIGINT, "month"::BIGINT, "day"::BIGINT, "hour"::BIGINT, 0, 0)) - 28800000
    AS recorded_ms,
  nullif("TEMP", 'NA')::DOUBLE AS temperature_c,
  nullif("PRES", 'NA')::DOUBLE AS pressure_hpa,
  nullif("DEWP", 'NA')::DOUBLE AS dew_point_c,
  100 * exp(17.625 * nullif("DEWP", 'NA')::DOUBLE / (243.04 + nullif("DEWP", 'NA')::DOUBLE)
    - 17.625 * nullif("TEMP", 'NA')::DOUBLE / (243.04 + nullif("TEMP", 'NA')::DOUBLE)) AS humidity_pct,
  nullif("RAIN", 'NA')::DOUBLE AS rain_mm,
  nullif("WSPM", 'NA')::DOUBLE AS wind_speed_mps,
  nullif("PM2.5", 'NA')::DOUBLE AS pm2_5_ugm3,
  nullif("PM10", 'NA')::DOUBLE AS pm10_ugm3,
  nullif("SO2", 'NA')::DOUBLE AS so2_ugm3,
  nullif("NO2", 'NA')::DOUBLE AS no2_ugm3,
  nullif("CO", 'NA')::DOUBLE AS co_ugm3,
  nullif("O3", 'NA')::DOUBLE AS o3_ugm3,
  CASE WHEN wd <> 'NA' THEN MAP {'wind_direction': wd} END AS attributes,
  lat,
  lon
FROM recording
LEFT JOIN (VALUES
  ('Aotizhongxin', 39.982, 116.397), ('Changping', 40.217, 116.230), ('Dingling', 40.292, 116.220),
  ('Dongsi', 39.929, 116.417), ('Guanyuan', 39.929, 116.339), ('Gucheng', 39.914, 116.184),
  ('Huairou', 40.328, 116.628), ('Nongzhanguan', 39.937, 116.461)
) AS places (station, lat, lon) USING (station);
