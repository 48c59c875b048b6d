-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX books_of_author ON books (author_id);

-- +goose Down
DROP INDEX books_of_author;
