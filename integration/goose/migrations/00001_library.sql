-- +goose Up
CREATE TABLE authors (
    id     INTEGER PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE,
    living BOOLEAN NOT NULL DEFAULT TRUE
);
CREATE TABLE books (
    id        INTEGER PRIMARY KEY,
    author_id INTEGER NOT NULL REFERENCES authors (id),
    title     TEXT NOT NULL
);

-- +goose Down
DROP TABLE books;
DROP TABLE authors;
