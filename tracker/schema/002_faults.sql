-- What the recorder could not write, and why: nothing that was acked is ever thrown away, and nothing stops the rest.
CREATE TABLE set_aside (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  stream text NOT NULL,
  sequence bigint NOT NULL,  -- of the log message that it was in
  team text,                 -- null, like worker and taken_at, where it could not even be read
  worker text,
  taken_at timestamptz,
  bytes bytea NOT NULL,      -- a LogBatch (proto/team.proto) of this one update, as it stood in the message
  reason text NOT NULL,
  at timestamptz NOT NULL DEFAULT now()
);

-- What the log may forget: docs/decisions/005-trim-the-log.md. Every few seconds the recorder notes how far it is; what it had recorded
-- by a note that is old enough is trimmed.
CREATE TABLE stream_mark (
  stream text NOT NULL,
  created_at timestamptz NOT NULL,
  sequence bigint NOT NULL,
  marked_at timestamptz NOT NULL DEFAULT now()
);

-- The sessions that are open, by tracker: what the undertaker looks at every other second.
CREATE INDEX session_open ON session (tracker, connected_at) WHERE disconnected_at IS NULL;
