-- Who plays, what they have won, and what they own. The same for SQLite and PostgreSQL.
create table players (
  name text primary key,
  password text not null,  -- its hash
  since bigint not null    -- seconds since 1970
);

create table ladder (
  player text primary key references players (name),
  stars bigint not null,   -- of all rounds
  rounds bigint not null,
  wins bigint not null
);
create index ladder_stars on ladder (stars);

-- Each gem is a row, which has one owner at a time.
create table gems (
  id text primary key,
  kind text not null,
  owner text not null references players (name)
);
create index gems_owner on gems (owner, kind);

-- What app/ledger.lua has written, so that it writes nothing twice.
create table entries (
  id text primary key,
  at bigint not null       -- seconds since 1970
);
