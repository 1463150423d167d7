-- Workers, their last positions, their history, their sessions, and how far the recorder has read.
-- Coordinates are whole numbers of 1e-7 degrees, as devices send them: what is stored is exactly what was measured.

CREATE TABLE worker (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  team text NOT NULL,
  name text NOT NULL,
  -- The newest session's state; session_at is null until the first one was recorded.
  online boolean NOT NULL DEFAULT false,
  session_at timestamptz,
  status_at timestamptz,
  tracker text,
  UNIQUE (team, name)
) WITH (fillfactor = 70);

-- No index but the key, and half-empty pages: every update stays on its page (HOT) and touches no index.
CREATE TABLE latest_position (
  worker_id integer PRIMARY KEY REFERENCES worker,
  taken_at timestamptz NOT NULL,
  latitude_e7 integer NOT NULL,
  longitude_e7 integer NOT NULL,
  speed_cm_s integer,
  heading_cdeg integer,
  accuracy_cm integer,
  altitude_cm integer,
  battery_percent smallint,
  received_at timestamptz NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

-- One partition per day of taken_at (UTC), named position_history_YYYYMMDD, made by the recorder when it is needed.
CREATE TABLE position_history (
  worker_id integer NOT NULL,
  taken_at timestamptz NOT NULL,
  latitude_e7 integer NOT NULL,
  longitude_e7 integer NOT NULL,
  speed_cm_s integer,
  heading_cdeg integer,
  accuracy_cm integer,
  altitude_cm integer,
  battery_percent smallint,
  received_at timestamptz NOT NULL,
  PRIMARY KEY (worker_id, taken_at)
) PARTITION BY RANGE (taken_at);

CREATE TABLE session (
  worker_id integer NOT NULL REFERENCES worker,
  connected_at timestamptz NOT NULL,
  tracker text NOT NULL,
  disconnected_at timestamptz,
  reason text,
  reports bigint,
  PRIMARY KEY (worker_id, connected_at)
);

-- Everything of the stream (the one created at created_at) up to this sequence is in the tables above.
CREATE TABLE stream_position (
  stream text PRIMARY KEY,
  created_at timestamptz NOT NULL,
  sequence bigint NOT NULL
);
