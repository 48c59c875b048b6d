CREATE TABLE authors (
    id     INTEGER PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE,
    born   DATETIME,
    living BOOLEAN NOT NULL
);

CREATE TABLE books (
    id        INTEGER PRIMARY KEY,
    author_id INTEGER NOT NULL REFERENCES authors (id),
    title     TEXT NOT NULL,
    subtitle  TEXT,
    cover     BLOB,
    sold      INTEGER NOT NULL DEFAULT 0,
    UNIQUE (author_id, title)
);
