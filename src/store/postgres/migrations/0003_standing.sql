-- What whoever has driven a plan says of its newest run, so that a list of all plans need not read every run.

-- It holds as long as that run is the newest one and its journal has this last entry.
ALTER TABLE cutover.plan ADD COLUMN standing text;
ALTER TABLE cutover.plan ADD COLUMN standing_run text COLLATE "C";
ALTER TABLE cutover.plan ADD COLUMN standing_head text COLLATE "C";
ALTER TABLE cutover.plan ADD CHECK (num_nulls(standing, standing_run, standing_head) IN (0, 3));
