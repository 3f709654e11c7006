-- A ledger as version 0.1.0 wrote it.
CREATE TABLE mailbox (
  id INTEGER PRIMARY KEY,
  old TEXT NOT NULL,
  new TEXT NOT NULL,
  UNIQUE (old, new)
) STRICT;
CREATE TABLE folder (
  id INTEGER PRIMARY KEY,
  mailbox INTEGER NOT NULL REFERENCES mailbox,
  old_name BLOB NOT NULL,
  new_name BLOB NOT NULL,
  old_validity INTEGER,
  new_validity INTEGER,
  settled_uid_next INTEGER,
  settled_exists INTEGER,
  settled_modseq INTEGER,
  UNIQUE (mailbox, old_name),
  UNIQUE (mailbox, new_name)
) STRICT;
CREATE TABLE message (
  folder INTEGER NOT NULL REFERENCES folder,
  uid INTEGER NOT NULL,
  outcome INTEGER NOT NULL CHECK (outcome BETWEEN 0 AND 4),
  raw BLOB,
  canonical BLOB,
  octets INTEGER,
  flags TEXT,
  new_uid INTEGER,
  note TEXT,
  PRIMARY KEY (folder, uid)
) STRICT, WITHOUT ROWID;
CREATE INDEX message_begun ON message (folder) WHERE outcome = 0;
CREATE TABLE target (
  folder INTEGER NOT NULL REFERENCES folder,
  uid INTEGER NOT NULL,
  canonical BLOB NOT NULL,
  copy_of INTEGER,
  PRIMARY KEY (folder, uid)
) STRICT, WITHOUT ROWID;
CREATE INDEX target_free ON target (folder, canonical) WHERE copy_of IS NULL;
CREATE INDEX target_copies ON target (folder, copy_of);
CREATE TABLE former (
  folder INTEGER NOT NULL REFERENCES folder,
  canonical BLOB NOT NULL
) STRICT;
CREATE INDEX former_of ON former (folder, canonical);
INSERT INTO mailbox VALUES (1, 'old', 'new');
INSERT INTO folder VALUES (1, 1, x'494e424f58', x'494e424f58', 7, 7, NULL, NULL, NULL);
INSERT INTO message VALUES (1, 1, 1, x'00', x'00', 1, '\Seen', 101, NULL);
INSERT INTO message VALUES (1, 2, 3, x'00', x'00', 1, '', NULL, 'refused');
INSERT INTO target VALUES (1, 101, x'00', 1);
PRAGMA user_version = 1;
