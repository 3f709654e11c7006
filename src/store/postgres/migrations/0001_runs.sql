-- Runs, their journals, and leases. The tables are append-only, and they check the rules themselves: whoever writes
-- by other means is bound by them too. Errors of class UC are ours, and connection.rs knows them.

CREATE TABLE cutover.version (
    version integer PRIMARY KEY,
    program text NOT NULL,
    migrated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE cutover.plan (
    name text COLLATE "C" PRIMARY KEY CHECK (name <> ''),
    -- The number of the newest lease.
    fence bigint NOT NULL CHECK (fence > 0),
    -- Who has it; all of these are null if it was given back or taken away.
    owner text,
    host text,
    since timestamptz,
    until timestamptz,
    -- Made up by whoever took it, or took it away, to find out who it was after an answer was lost.
    token bytea NOT NULL,
    CHECK (num_nulls(owner, host, since, until) IN (0, 4))
);

CREATE TABLE cutover.run (
    plan text COLLATE "C" NOT NULL REFERENCES cutover.plan,
    name text COLLATE "C" NOT NULL CHECK (name <> ''),
    -- The lease under which it was created.
    fence bigint NOT NULL,
    artifact text NOT NULL,
    -- Made up by whoever created it, like that of a lease.
    token bytea NOT NULL,
    -- How many entries its journal has, and the digest of the last one, or of the empty text.
    entries bigint NOT NULL DEFAULT 0,
    head text COLLATE "C" NOT NULL
        DEFAULT 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    PRIMARY KEY (plan, name)
);

CREATE TABLE cutover.entry (
    plan text COLLATE "C" NOT NULL,
    run text COLLATE "C" NOT NULL,
    -- From 1, without gaps.
    number bigint NOT NULL,
    fence bigint NOT NULL,
    -- The digest of the entry before it.
    after text COLLATE "C" NOT NULL,
    digest text COLLATE "C" NOT NULL,
    text text NOT NULL CHECK (strpos(text, E'\n') = 0),
    written_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (plan, run, number),
    FOREIGN KEY (plan, run) REFERENCES cutover.run
);

CREATE TABLE cutover.kept (
    plan text COLLATE "C" NOT NULL,
    run text COLLATE "C" NOT NULL,
    digest text COLLATE "C" NOT NULL,
    fence bigint NOT NULL,
    artifact text NOT NULL,
    PRIMARY KEY (plan, run, digest),
    FOREIGN KEY (plan, run) REFERENCES cutover.run
);

CREATE TABLE cutover.note (
    plan text COLLATE "C" NOT NULL,
    run text COLLATE "C" NOT NULL,
    -- `turn-back`, or the digest of the step's id, which may be longer than an index allows.
    name text COLLATE "C" NOT NULL,
    step text,
    text text NOT NULL,
    left_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (plan, run, name),
    FOREIGN KEY (plan, run) REFERENCES cutover.run
);

-- Whoever writes holds the lease until the write is committed: the shared lock makes everybody wait who would take it.
CREATE FUNCTION cutover.check_holder(plan_name text, number bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    PERFORM FROM cutover.plan WHERE name = plan_name AND fence = number AND owner IS NOT NULL FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'plan %: lease % has ended', plan_name, number USING ERRCODE = 'UC001';
    END IF;
END $$;

CREATE FUNCTION cutover.holder_writes() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    PERFORM cutover.check_holder(NEW.plan, NEW.fence);
    RETURN NEW;
END $$;

-- A journal is a chain: an entry names the digest of the last one, and becomes the last one.
CREATE FUNCTION cutover.entry_follows() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    PERFORM cutover.check_holder(NEW.plan, NEW.fence);
    NEW.digest := 'sha256:' || encode(sha256(convert_to(NEW.text, 'UTF8')), 'hex');
    UPDATE cutover.run SET entries = entries + 1, head = NEW.digest
        WHERE plan = NEW.plan AND name = NEW.run AND head = NEW.after
        RETURNING entries INTO NEW.number;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'run %/%: its last entry is not %', NEW.plan, NEW.run, NEW.after USING ERRCODE = 'UC002';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION cutover.is_for_ever() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION 'table %: what is written stays as it is', TG_TABLE_NAME USING ERRCODE = 'UC003';
END $$;

-- Only an entry changes a run.
CREATE FUNCTION cutover.run_grows() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION 'table run: what is written stays as it is' USING ERRCODE = 'UC003';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION cutover.fence_rises() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF NEW.name <> OLD.name OR NEW.fence < OLD.fence
        OR (NEW.owner IS NOT NULL AND NEW.token <> OLD.token AND NEW.fence = OLD.fence)
    THEN
        RAISE EXCEPTION 'plan %: a new lease has a higher number', OLD.name USING ERRCODE = 'UC003';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER fence_rises BEFORE UPDATE ON cutover.plan FOR EACH ROW EXECUTE FUNCTION cutover.fence_rises();
CREATE TRIGGER holder_writes BEFORE INSERT ON cutover.run FOR EACH ROW EXECUTE FUNCTION cutover.holder_writes();
CREATE TRIGGER run_grows BEFORE UPDATE ON cutover.run FOR EACH ROW EXECUTE FUNCTION cutover.run_grows();
CREATE TRIGGER holder_writes BEFORE INSERT ON cutover.kept FOR EACH ROW EXECUTE FUNCTION cutover.holder_writes();
CREATE TRIGGER entry_follows BEFORE INSERT ON cutover.entry FOR EACH ROW EXECUTE FUNCTION cutover.entry_follows();

CREATE TRIGGER is_for_ever BEFORE DELETE OR TRUNCATE ON cutover.plan EXECUTE FUNCTION cutover.is_for_ever();
CREATE TRIGGER is_for_ever BEFORE DELETE OR TRUNCATE ON cutover.run EXECUTE FUNCTION cutover.is_for_ever();
CREATE TRIGGER is_for_ever BEFORE UPDATE OR DELETE OR TRUNCATE ON cutover.entry EXECUTE FUNCTION cutover.is_for_ever();
CREATE TRIGGER is_for_ever BEFORE UPDATE OR DELETE OR TRUNCATE ON cutover.kept EXECUTE FUNCTION cutover.is_for_ever();
