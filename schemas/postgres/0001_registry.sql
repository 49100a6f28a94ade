/* migration
owner: data-platform
about: Tenants and device profiles: what is configured, as opposed to what happened.
*/
CREATE TABLE tenant (
  tenant text PRIMARY KEY CHECK (tenant ~ '^[A-Za-z0-9_-]{1,64}$'),
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE device_profile (
  profile text PRIMARY KEY,
  metrics jsonb NOT NULL DEFAULT '{}',
  expected_interval_s integer NOT NULL DEFAULT 60 CHECK (expected_interval_s > 0),
  offline_after_s integer NOT NULL DEFAULT 300 CHECK (offline_after_s > 0),
  retention_class text NOT NULL DEFAULT 'standard'
);

CREATE TABLE device (
  tenant text NOT NULL REFERENCES tenant,
  device_id text NOT NULL,
  profile text REFERENCES device_profile,
  site text,
  PRIMARY KEY (tenant, device_id)
);
