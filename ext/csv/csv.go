// Package csv reads files of comma-separated values (RFC 4180) as tables:
//
//	CREATE VIRTUAL TABLE temp.prices USING csv(filename='2026/prices.csv', header=yes);
//	SELECT item, price FROM prices WHERE price > 10;
//
// The parameters of a table are, in any order:
//
//	filename='x.csv'     the file, by a name as in package io/fs: with slashes, and without ".." or a slash in front
//	data='a,b'           the text itself, in place of a file
//	header=yes           the first record has the names of the columns; otherwise they are c0, c1 and so on
//	columns=3            how many columns there are; otherwise as many as the first record has
//	schema='CREATE TABLE x(item TEXT, price REAL)'
//	                     the columns, with types, in place of the last two; with header=yes the first record is skipped
//	delimiter=';'        what stands between fields; '\t' is a tab; comma= is the same
//	comment='#'          lines that begin with this are left out
//
// Fields are text, but for columns to which schema gives a numeric type: they have numbers where a field looks like one,
// and NULL where it is empty. A field may be in double quotes, and have delimiters, line ends and doubled quotes inside
// then. A record with fewer fields than there are columns has NULL in the others; one with more is an error. An error in
// the text names its line. Empty lines are left out, and so is a byte order mark; "\r\n" is read as "\n".
//
// A file is read from its start for each scan, record by record, so that it can be larger than memory. The rowid is the
// number of the record. Tables cannot be written.
//
// # Files
//
// A file is only read through a file system that Go code gives to [RegisterFS]: otherwise whoever can write SQL could
// read all that the process can. [Register], which is also what importing the package registers as the extension "csv",
// gives none, so that there is data= alone. With os.DirFS, symbolic links lead out of the directory;
// with (*os.Root).FS, nothing does.
//
// https://sqlite.org/csv.html
package csv

import (
	"io/fs"

	"github.com/floedb/floe/engine"
	"github.com/floedb/floe/ext/internal/sqlfunc"
)

func init() { sqlfunc.MustRegisterExtension("csv", Register) }

// Register adds the module csv to a connection, for tables with data=. filename= is an error.
func Register(c *engine.Conn) error { return RegisterFS(c, nil) }

// RegisterFS adds the module csv to a connection, for tables of the files in fsys. fsys has to be safe for use by as many
// goroutines as connections have it.
func RegisterFS(c *engine.Conn, fsys fs.FS) error {
	return c.CreateModule("csv", engine.Module[*table]{
		Flags: engine.ModuleDirectOnly,
		Connect: func(args *engine.TableArgs) (*table, string, error) {
			return connect(fsys, args.Args)
		},
	})
}
