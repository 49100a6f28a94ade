/* migration
owner: data-platform
about: >
  Sites, firmware and maintenance windows, and one number that says what changed since. `device.change` comes from one
  sequence that writers take in the order in which they commit (a lock, taken before any row), so a reader who has seen
  N misses nothing by asking for what is above N. Whatever a context is made of (profile, maintenance) touches the
  devices it concerns. NOTIFY `registry` only wakes readers: it carries nothing.
*/
CREATE TABLE site (
  tenant text NOT NULL REFERENCES tenant,
  site text NOT NULL CHECK (site ~ '^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$'),
  about text NOT NULL DEFAULT '',
  lat double precision CHECK (lat BETWEEN -90 AND 90),
  lon double precision CHECK (lon BETWEEN -180 AND 180),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant, site),
  CHECK ((lat IS NULL) = (lon IS NULL))
);

CREATE SEQUENCE registry_change;

ALTER TABLE device_profile
  ADD COLUMN about text NOT NULL DEFAULT '',
  ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now(),
  ADD CHECK (profile ~ '^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$'),
  ADD CHECK (offline_after_s >= expected_interval_s),
  -- What judges a device that is in no registry; it is part of the stream's code.
  ADD CONSTRAINT default_profile_is_built_in CHECK (profile <> 'default');

ALTER TABLE device
  ADD COLUMN firmware text NOT NULL DEFAULT '',
  ADD COLUMN about text NOT NULL DEFAULT '',
  ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now(),
  ADD COLUMN change bigint NOT NULL DEFAULT nextval('registry_change'),
  ADD CHECK (device_id ~ '^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$');

INSERT INTO site (tenant, site)
SELECT DISTINCT device.tenant, device.site FROM device WHERE device.site IS NOT NULL;

ALTER TABLE device ADD FOREIGN KEY (tenant, site) REFERENCES site;

CREATE INDEX device_by_change ON device (change);
CREATE INDEX device_by_site ON device (tenant, site);
CREATE INDEX device_by_profile ON device (profile);

CREATE TABLE device_removed (
  tenant text NOT NULL,
  device_id text NOT NULL,
  change bigint NOT NULL,
  PRIMARY KEY (tenant, device_id)
);

COMMENT ON TABLE device_removed IS 'devices that went back to the default context; readers must hear of it too';

CREATE TABLE maintenance_window (
  maintenance_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant text NOT NULL REFERENCES tenant,
  device_id text,
  site text,
  starts_at timestamptz NOT NULL,
  ends_at timestamptz NOT NULL,
  about text NOT NULL DEFAULT '',
  created_at timestamptz NOT NULL DEFAULT now(),
  CHECK (starts_at < ends_at),
  CHECK ((device_id IS NULL) <> (site IS NULL)),
  FOREIGN KEY (tenant, device_id) REFERENCES device ON DELETE CASCADE,
  FOREIGN KEY (tenant, site) REFERENCES site ON DELETE CASCADE
);

CREATE INDEX maintenance_by_device ON maintenance_window (tenant, device_id);
CREATE INDEX maintenance_by_site ON maintenance_window (tenant, site);
CREATE INDEX maintenance_by_end ON maintenance_window (ends_at);

CREATE TABLE context_publication (
  topic text PRIMARY KEY,
  change bigint NOT NULL,
  at_ms bigint NOT NULL
);

COMMENT ON TABLE context_publication IS 'how far the publisher has come: changes up to this one, windows that ended by then';

CREATE FUNCTION registry_lock() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('registry_change'));
  RETURN NULL;
END $$;

CREATE FUNCTION device_touched() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.change := nextval('registry_change');
  NEW.updated_at := clock_timestamp();
  IF TG_OP = 'INSERT' THEN
    INSERT INTO tenant (tenant) VALUES (NEW.tenant) ON CONFLICT DO NOTHING;
    DELETE FROM device_removed WHERE tenant = NEW.tenant AND device_id = NEW.device_id;
  END IF;
  IF NEW.site IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.site IS DISTINCT FROM OLD.site) THEN
    INSERT INTO site (tenant, site) VALUES (NEW.tenant, NEW.site) ON CONFLICT DO NOTHING;
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION device_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO device_removed (tenant, device_id, change)
  VALUES (OLD.tenant, OLD.device_id, nextval('registry_change'))
  ON CONFLICT (tenant, device_id) DO UPDATE SET change = EXCLUDED.change;
  RETURN NULL;
END $$;

CREATE FUNCTION registry_told() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NOTIFY registry;
  RETURN NULL;
END $$;

CREATE FUNCTION profile_touched() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.updated_at := clock_timestamp();
  UPDATE device SET profile = profile WHERE profile = NEW.profile;
  RETURN NEW;
END $$;

CREATE FUNCTION site_touched() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.updated_at := clock_timestamp();
  INSERT INTO tenant (tenant) VALUES (NEW.tenant) ON CONFLICT DO NOTHING;
  RETURN NEW;
END $$;

CREATE FUNCTION maintenance_touched() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  touched maintenance_window := coalesce(NEW, OLD);
BEGIN
  UPDATE device SET profile = profile
  WHERE tenant = touched.tenant AND (device_id = touched.device_id OR site = touched.site);
  RETURN NULL;
END $$;

CREATE TRIGGER a_lock BEFORE INSERT OR UPDATE OR DELETE ON device
  FOR EACH STATEMENT EXECUTE FUNCTION registry_lock();
CREATE TRIGGER a_lock BEFORE INSERT OR UPDATE OR DELETE ON site
  FOR EACH STATEMENT EXECUTE FUNCTION registry_lock();
CREATE TRIGGER a_lock BEFORE INSERT OR UPDATE OR DELETE ON device_profile
  FOR EACH STATEMENT EXECUTE FUNCTION registry_lock();
CREATE TRIGGER a_lock BEFORE INSERT OR UPDATE OR DELETE ON maintenance_window
  FOR EACH STATEMENT EXECUTE FUNCTION registry_lock();
CREATE TRIGGER touched BEFORE INSERT OR UPDATE ON device
  FOR EACH ROW EXECUTE FUNCTION device_touched();
CREATE TRIGGER gone AFTER DELETE ON device
  FOR EACH ROW EXECUTE FUNCTION device_gone();
CREATE TRIGGER touched BEFORE INSERT OR UPDATE ON site
  FOR EACH ROW EXECUTE FUNCTION site_touched();
CREATE TRIGGER touched AFTER INSERT OR UPDATE OR DELETE ON maintenance_window
  FOR EACH ROW EXECUTE FUNCTION maintenance_touched();
CREATE TRIGGER touched BEFORE UPDATE ON device_profile
  FOR EACH ROW EXECUTE FUNCTION profile_touched();
CREATE TRIGGER told AFTER INSERT OR UPDATE OR DELETE ON device
  FOR EACH STATEMENT EXECUTE FUNCTION registry_told();

CREATE FUNCTION device_contexts(as_of timestamptz)
RETURNS TABLE (
  tenant text, device_id text, site text, profile text, firmware text,
  offline_after_s integer, expected_interval_s integer, windows_ms bigint[], change bigint
)
LANGUAGE sql STABLE AS $$
  SELECT
    d.tenant, d.device_id, coalesce(d.site, ''), coalesce(d.profile, 'default'), d.firmware,
    p.offline_after_s, p.expected_interval_s,
    (
      SELECT array_agg(ARRAY[
        floor(extract(epoch FROM m.starts_at) * 1000)::bigint, floor(extract(epoch FROM m.ends_at) * 1000)::bigint
      ])
      FROM maintenance_window AS m
      WHERE m.tenant = d.tenant AND (m.device_id = d.device_id OR m.site = d.site) AND m.ends_at > as_of
    ),
    d.change
  FROM device AS d LEFT JOIN device_profile AS p ON p.profile = d.profile
  UNION ALL
  SELECT r.tenant, r.device_id, '', 'default', '', NULL, NULL, NULL, r.change
  FROM device_removed AS r
$$;

COMMENT ON FUNCTION device_contexts IS
  'what each device is judged by, removed ones included; NULL = built-in default; windows that have not ended';

INSERT INTO device_profile (profile, about, expected_interval_s, offline_after_s) VALUES
  ('fast', 'machines that speak every second', 1, 20),
  ('minutely', 'meters and trackers that speak every minute', 60, 300),
  ('hourly', 'stations that speak every hour', 3600, 5400);
