package engine_test

// What SQLite has compiled in beside tables: full-text search, R-Trees, geopoly, and tables about the database itself.

// Full-text search: ranked matches, marked in the text, and a second index that finds parts of words.
func Example_fullTextSearch() {
	conn := mustOpen()
	defer conn.Close()
	mustRun(conn, `CREATE VIRTUAL TABLE docs USING fts5(title, body, tokenize = 'porter unicode61 remove_diacritics 2');
		INSERT INTO docs VALUES
			('Ice', 'A floe is a sheet of floating ice. Floes drift.'),
			('Drift', 'What drifts is carried by currents.'),
			('Café', 'Nothing about it here.')`)

	printRows(conn, `SELECT title, highlight(docs, 1, '[', ']') FROM docs WHERE docs MATCH 'drifting' ORDER BY bm25(docs, 10, 1)`)
	printRows(conn, `SELECT snippet(docs, 1, '<', '>', '…', 3) FROM docs('NEAR(floating ice, 2)')`)
	printRows(conn, `SELECT title FROM docs WHERE title MATCH 'cafe'`)

	mustRun(conn, `CREATE VIRTUAL TABLE parts USING fts5(name, tokenize = 'trigram');
		INSERT INTO parts VALUES ('hydraulic-pump-X200'), ('oil filter')`)
	printRows(conn, `SELECT name FROM parts WHERE name LIKE '%pump-x2%'`)
	// Output:
	// Drift | What [drifts] is carried by currents.
	// Ice | A floe is a sheet of floating ice. Floes [drift].
	// …<floating> <ice>. Floes…
	// Café
	// hydraulic-pump-X200
}

// An R-Tree finds the boxes that overlap a range, with further columns beside them.
func Example_rTree() {
	conn := mustOpen()
	defer conn.Close()
	mustRun(conn, `CREATE VIRTUAL TABLE places USING rtree(id, minLon, maxLon, minLat, maxLat, +name TEXT);
		INSERT INTO places VALUES
			(1, 18.8, 19.1, 69.6, 69.8, 'Tromsø'),
			(2, 15.4, 15.8, 78.1, 78.3, 'Longyearbyen'),
			(3, 10.6, 10.9, 59.8, 60.0, 'Oslo')`)
	printRows(conn, "SELECT name FROM places WHERE maxLat >= ? AND minLat <= ? ORDER BY minLat", 65, 90)
	// Output:
	// Tromsø
	// Longyearbyen
}

// Geopoly: polygons that are within or overlap another one, found through an index.
func Example_geopoly() {
	conn := mustOpen()
	defer conn.Close()
	mustRun(conn, `CREATE VIRTUAL TABLE fields USING geopoly(name);
		INSERT INTO fields(name, _shape) VALUES
			('small', '[[1,1],[2,1],[2,2],[1,2],[1,1]]'),
			('large', '[[1,1],[9,1],[9,9],[1,9],[1,1]]'),
			('far', '[[20,20],[21,20],[21,21],[20,20]]')`)
	const fence = "[[0,0],[4,0],[4,4],[0,4],[0,0]]"
	printRows(conn, "SELECT 'within', name, geopoly_area(_shape) FROM fields WHERE geopoly_within(_shape, ?)", fence)
	printRows(conn, "SELECT 'overlap', name FROM fields WHERE geopoly_overlap(_shape, ?) ORDER BY name", fence)
	// Output:
	// within | small | 1.0
	// overlap | large
	// overlap | small
}

// Tables that keep what they promise, and statements that tell what they did.
func Example_strictTablesAndReturning() {
	conn := mustOpen()
	defer conn.Close()
	mustRun(conn, `CREATE TABLE stock (
		item TEXT PRIMARY KEY,
		n    INTEGER NOT NULL CHECK (n >= 0),
		low  INTEGER AS (n < 10) STORED
	) STRICT, WITHOUT ROWID`)
	const upsert = `INSERT INTO stock(item, n) VALUES (?, ?)
		ON CONFLICT(item) DO UPDATE SET n = n + excluded.n RETURNING item, n, low`
	printRows(conn, upsert, "bolts", 7)
	printRows(conn, upsert, "bolts", 5)
	printRows(conn, `WITH RECURSIVE half(n) AS (SELECT n FROM stock UNION ALL SELECT n/2 FROM half WHERE n > 1)
		SELECT group_concat(n, ' > ') FROM half`)
	printRows(conn, "SELECT name, pgsize > 0 FROM dbstat WHERE name = 'stock'")
	// Output:
	// bolts | 7 | 1
	// bolts | 12 | 0
	// 12 > 6 > 3 > 1
	// stock | 1
}
