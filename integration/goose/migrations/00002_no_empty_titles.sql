-- +goose Up
-- +goose StatementBegin
CREATE TRIGGER no_empty_titles BEFORE INSERT ON books WHEN NEW.title = ''
BEGIN
    SELECT RAISE(ABORT, 'a book needs a title; even a short one');
END;
-- +goose StatementEnd

-- +goose Down
DROP TRIGGER no_empty_titles;
