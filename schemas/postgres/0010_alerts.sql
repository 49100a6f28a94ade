/* migration
owner: data-platform
about: >
  Rules with all their versions, alerts with all that happened to them, and the outbox of notifications.
  A rule's row and its versions are never deleted: an alert names the version that raised it. `rule.change` comes from one
  sequence that writers take in the order in which they commit (a lock, taken before any row), so a reader who has seen N
  misses nothing by asking for what is above N. NOTIFY `rules` and `notifications` only wake readers: they carry nothing.
  What somebody is to be told goes into the outbox in the transaction that changes the alert. `notification_alert` is why nobody
  is told twice: one row for each alert, reason and channel, whatever is replayed.
*/
CREATE SEQUENCE rule_change;

CREATE TABLE rule (
  tenant text NOT NULL CHECK (tenant ~ '^[A-Za-z0-9_-]{1,64}$'),
  rule text NOT NULL CHECK (rule ~ '^[a-z0-9-]{1,64}$'),
  version integer NOT NULL DEFAULT 1,
  state text NOT NULL CHECK (state IN ('enabled', 'shadow', 'disabled', 'deleted')),
  definition json NOT NULL,
  change bigint NOT NULL DEFAULT nextval('rule_change'),
  updated_at timestamptz NOT NULL,
  updated_by text NOT NULL,
  PRIMARY KEY (tenant, rule)
);

COMMENT ON COLUMN rule.definition IS 'the rule as it was written, see udfs/rules/model.py; of a deleted one its last form';

CREATE INDEX rule_by_change ON rule (change);

CREATE TABLE rule_version (
  tenant text NOT NULL,
  rule text NOT NULL,
  version integer NOT NULL,
  state text NOT NULL,
  definition json NOT NULL,
  made_at timestamptz NOT NULL,
  made_by text NOT NULL,
  PRIMARY KEY (tenant, rule, version),
  FOREIGN KEY (tenant, rule) REFERENCES rule
);

CREATE TABLE alert (
  tenant text NOT NULL,
  alert_id text NOT NULL,
  rule text NOT NULL,
  rule_version integer NOT NULL,
  device_id text NOT NULL,
  site text NOT NULL,
  severity text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
  shadow boolean NOT NULL,
  retroactive boolean NOT NULL,
  evidence jsonb NOT NULL,
  onset_ms bigint NOT NULL,
  at_ms bigint NOT NULL,
  cleared_ms bigint,
  withdrawn boolean NOT NULL DEFAULT false,
  raised_at timestamptz NOT NULL,
  acknowledged_at timestamptz,
  acknowledged_by text,
  closed_at timestamptz,
  closed_by text,
  closed_cause text CHECK (closed_cause IN ('stream', 'rule', 'person')),
  assignee text,
  snoozed_until timestamptz,
  escalate_at timestamptz,
  state text NOT NULL GENERATED ALWAYS AS (
    CASE
      WHEN withdrawn THEN 'withdrawn'
      WHEN closed_at IS NOT NULL THEN 'cleared'
      WHEN acknowledged_at IS NOT NULL THEN 'acknowledged'
      ELSE 'open'
    END
  ) STORED,
  PRIMARY KEY (tenant, alert_id),
  CHECK ((closed_at IS NULL) = (closed_cause IS NULL)),
  CHECK ((acknowledged_at IS NULL) = (acknowledged_by IS NULL))
);

COMMENT ON COLUMN alert.site IS 'empty = the device has none';
COMMENT ON COLUMN alert.at_ms IS 'event time of what the stream said last';
COMMENT ON COLUMN alert.cleared_ms IS 'event time at which the condition ended, as the stream says; a person clears without one';
COMMENT ON COLUMN alert.raised_at IS 'when it was first written here';
COMMENT ON COLUMN alert.closed_cause IS 'stream: the condition ended; rule: the rule was disabled or deleted; person: by hand';
COMMENT ON COLUMN alert.escalate_at IS 'when its escalation channels are told unless somebody acknowledges it first';

CREATE INDEX alert_by_onset ON alert (tenant, onset_ms DESC, alert_id DESC);
CREATE INDEX alert_by_device ON alert (tenant, device_id, onset_ms DESC);
CREATE INDEX alert_by_rule ON alert (tenant, rule, onset_ms DESC);
CREATE INDEX alert_active ON alert (tenant, rule) WHERE state IN ('open', 'acknowledged');
CREATE INDEX alert_to_escalate ON alert (escalate_at) WHERE escalate_at IS NOT NULL AND state = 'open';

CREATE TABLE alert_history (
  history_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant text NOT NULL,
  alert_id text NOT NULL,
  kind text NOT NULL,
  at_ms bigint NOT NULL,
  actor text NOT NULL,
  detail jsonb NOT NULL DEFAULT '{}',
  noted_at timestamptz NOT NULL,
  UNIQUE (tenant, alert_id, kind, at_ms, actor),
  FOREIGN KEY (tenant, alert_id) REFERENCES alert
);

COMMENT ON TABLE alert_history IS 'each transition once; a replay of the stream finds its own already here';
COMMENT ON COLUMN alert_history.at_ms IS 'event time of what the stream says (actor `stream`), else the time it was done';

CREATE TABLE alert_comment (
  comment_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant text NOT NULL,
  alert_id text NOT NULL,
  author text NOT NULL,
  body text NOT NULL,
  made_at timestamptz NOT NULL,
  FOREIGN KEY (tenant, alert_id) REFERENCES alert
);

CREATE INDEX alert_comment_by_alert ON alert_comment (tenant, alert_id);

CREATE TABLE alert_consumption (
  topic text NOT NULL,
  kafka_partition integer NOT NULL,
  next_offset bigint NOT NULL,
  PRIMARY KEY (topic, kafka_partition)
);

COMMENT ON TABLE alert_consumption IS 'how far the keeper has come, written with what it made of the records before';

CREATE TABLE channel (
  tenant text NOT NULL,
  channel text NOT NULL CHECK (channel ~ '^[a-z0-9-]{1,64}$'),
  kind text NOT NULL,
  about text NOT NULL DEFAULT '',
  settings jsonb NOT NULL DEFAULT '{}',
  secret bytea,
  enabled boolean NOT NULL DEFAULT true,
  group_wait_s integer NOT NULL DEFAULT 30 CHECK (group_wait_s BETWEEN 0 AND 3600),
  group_wait_critical_s integer NOT NULL DEFAULT 0 CHECK (group_wait_critical_s BETWEEN 0 AND 3600),
  updated_at timestamptz NOT NULL,
  updated_by text NOT NULL,
  PRIMARY KEY (tenant, channel)
);

COMMENT ON COLUMN channel.group_wait_s IS
  'seconds in which alerts of one rule and site are gathered into one message before it is sent';
COMMENT ON COLUMN channel.group_wait_critical_s IS 'the same for critical alerts while they last';
COMMENT ON COLUMN channel.settings IS 'what may be shown; never a password or a token';
COMMENT ON COLUMN channel.secret IS 'encrypted by the notifier; never in an answer or a log';

CREATE TABLE channel_private_reach (
  tenant text NOT NULL,
  channel text NOT NULL,
  allowed_at timestamptz NOT NULL,
  allowed_by text NOT NULL,
  PRIMARY KEY (tenant, channel)
);

COMMENT ON TABLE channel_private_reach IS
  'channels that may reach private addresses and plain http; whoever runs the stack writes it, no request does';

CREATE FUNCTION group_wait_of(of_tenant text, of_channel text, of_site text, of_severity text, of_reason text)
RETURNS integer LANGUAGE sql STABLE AS $$
  SELECT CASE
    WHEN of_site = '' THEN 0
    WHEN of_severity = 'critical' AND of_reason <> 'cleared' THEN coalesce(min(c.group_wait_critical_s), 0)
    ELSE coalesce(min(c.group_wait_s), 30)
  END
  FROM channel AS c WHERE c.tenant = of_tenant AND c.channel = of_channel
$$;

COMMENT ON FUNCTION group_wait_of IS 'seconds a message is held back; alerts of devices without a site are not gathered';

CREATE TABLE notification (
  notification_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant text NOT NULL,
  alert_id text NOT NULL,
  reason text NOT NULL CHECK (reason IN ('raised', 'escalated', 'unacknowledged', 'cleared')),
  channel text NOT NULL,
  rule text NOT NULL,
  site text NOT NULL,
  payload jsonb NOT NULL,
  state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sent', 'failed', 'dead')),
  attempts integer NOT NULL DEFAULT 0,
  next_attempt_at timestamptz NOT NULL,
  last_error text,
  created_at timestamptz NOT NULL,
  sent_at timestamptz,
  group_wait_s integer NOT NULL DEFAULT 0,
  FOREIGN KEY (tenant, alert_id) REFERENCES alert
);

COMMENT ON COLUMN notification.group_wait_s IS 'seconds it was held back for more alerts of its rule and site to join';
COMMENT ON TABLE notification IS
  'one message to one channel; while it is pending and before next_attempt_at more alerts of its rule and site may join';
COMMENT ON COLUMN notification.alert_id IS 'the earliest of its alerts; notification_alert has all';
COMMENT ON COLUMN notification.reason IS
  'raised; escalated = the severity rose; unacknowledged = nobody acknowledged it in time; cleared';

CREATE INDEX notification_due ON notification (next_attempt_at) WHERE state IN ('pending', 'failed');
CREATE INDEX notification_by_alert ON notification (tenant, alert_id);
CREATE INDEX notification_collecting ON notification (tenant, rule, site, reason, channel)
  WHERE state = 'pending' AND attempts = 0;

CREATE TABLE notification_alert (
  tenant text NOT NULL,
  alert_id text NOT NULL,
  reason text NOT NULL,
  channel text NOT NULL,
  notification_id bigint NOT NULL REFERENCES notification ON DELETE CASCADE,
  PRIMARY KEY (tenant, alert_id, reason, channel),
  FOREIGN KEY (tenant, alert_id) REFERENCES alert
);

CREATE INDEX notification_alert_by_notification ON notification_alert (notification_id);

CREATE TABLE notification_attempt (
  notification_id bigint NOT NULL REFERENCES notification ON DELETE CASCADE,
  attempt integer NOT NULL,
  started_at timestamptz NOT NULL,
  duration_ms integer NOT NULL,
  outcome text NOT NULL CHECK (outcome IN ('sent', 'failed', 'refused')),
  detail text NOT NULL DEFAULT '',
  PRIMARY KEY (notification_id, attempt)
);

CREATE TABLE audit (
  audit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant text NOT NULL,
  at timestamptz NOT NULL,
  actor text NOT NULL,
  action text NOT NULL,
  subject_kind text NOT NULL CHECK (subject_kind IN ('rule', 'alert', 'channel')),
  subject text NOT NULL,
  detail jsonb NOT NULL DEFAULT '{}'
);

COMMENT ON TABLE audit IS 'who changed what; only ever added to, in the transaction that changes it';

CREATE INDEX audit_by_time ON audit (tenant, audit_id DESC);
CREATE INDEX audit_by_subject ON audit (tenant, subject_kind, subject, audit_id DESC);

CREATE FUNCTION rule_lock() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('rule_change'));
  RETURN NULL;
END $$;

CREATE FUNCTION rule_touched() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.change := nextval('rule_change');
  IF TG_OP = 'UPDATE' THEN
    NEW.version := OLD.version + 1;
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION rule_versioned() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO rule_version (tenant, rule, version, state, definition, made_at, made_by)
  VALUES (NEW.tenant, NEW.rule, NEW.version, NEW.state, NEW.definition, NEW.updated_at, NEW.updated_by);
  RETURN NULL;
END $$;

CREATE FUNCTION rules_told() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NOTIFY rules;
  RETURN NULL;
END $$;

CREATE FUNCTION notifications_told() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NOTIFY notifications;
  RETURN NULL;
END $$;

CREATE TRIGGER a_lock BEFORE INSERT OR UPDATE ON rule
  FOR EACH STATEMENT EXECUTE FUNCTION rule_lock();
CREATE TRIGGER touched BEFORE INSERT OR UPDATE ON rule
  FOR EACH ROW EXECUTE FUNCTION rule_touched();
CREATE TRIGGER versioned AFTER INSERT OR UPDATE ON rule
  FOR EACH ROW EXECUTE FUNCTION rule_versioned();
CREATE TRIGGER told AFTER INSERT OR UPDATE ON rule
  FOR EACH STATEMENT EXECUTE FUNCTION rules_told();
CREATE TRIGGER told AFTER INSERT ON notification
  FOR EACH STATEMENT EXECUTE FUNCTION notifications_told();
