-- When a plan is due, so that any number of processes share out what is to be done.

-- Null if it is due only when something happens.
ALTER TABLE cutover.plan ADD COLUMN due timestamptz;
UPDATE cutover.plan SET due = clock_timestamp() WHERE EXISTS (SELECT FROM cutover.run WHERE run.plan = plan.name);
CREATE INDEX plan_due ON cutover.plan (due) WHERE due IS NOT NULL;

-- Whoever has taken the plan because it was due will see the run, and a run changes nothing for them.
CREATE FUNCTION cutover.run_is_due() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    UPDATE cutover.plan SET due = least(due, clock_timestamp()) WHERE name = NEW.plan;
    RETURN NULL;
END $$;

-- Whoever has taken the plan may have looked for notes already. The later time tells them.
CREATE FUNCTION cutover.note_is_due() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    UPDATE cutover.plan SET due = clock_timestamp() WHERE name = NEW.plan;
    RETURN NULL;
END $$;

CREATE TRIGGER run_is_due AFTER INSERT ON cutover.run FOR EACH ROW EXECUTE FUNCTION cutover.run_is_due();
CREATE TRIGGER note_is_due AFTER INSERT OR UPDATE ON cutover.note
    FOR EACH ROW EXECUTE FUNCTION cutover.note_is_due();
