-- name: AddAuthor :one
INSERT INTO authors (name, born, living) VALUES (?, ?, ?) RETURNING *;

-- name: AddBook :one
INSERT INTO books (author_id, title, subtitle, cover, sold) VALUES (?, ?, ?, ?, ?) RETURNING *;

-- name: Author :one
SELECT * FROM authors WHERE name = @name;

-- name: BooksWithAuthors :many
SELECT sqlc.embed(books), sqlc.embed(authors)
FROM books JOIN authors ON authors.id = books.author_id
WHERE authors.name IN (sqlc.slice('names'))
ORDER BY books.title;

-- name: Sell :one
INSERT INTO books (author_id, title, sold) VALUES (@author_id, @title, @copies)
ON CONFLICT (author_id, title) DO UPDATE SET sold = sold + excluded.sold
RETURNING sold;

-- name: SetLiving :execrows
UPDATE authors SET living = @living, born = NULL WHERE name = @name;

-- name: AddPlainAuthor :execlastid
INSERT INTO authors (name, living) VALUES (?, TRUE);

-- name: DeleteAuthor :exec
DELETE FROM authors WHERE id = ?;

-- name: AuthorNames :many
SELECT name FROM authors ORDER BY name;
