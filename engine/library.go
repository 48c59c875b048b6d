package engine

import (
	"strings"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// Keywords returns the words that SQLite's parser knows, in capitals.
//
// https://sqlite.org/c3ref/keyword_check.html
func Keywords() (words []string) {
	_ = withLibrary(func(tls *libc.TLS) error {
		p := sqlite3.Xsqlite3_malloc64(tls, 16)
		if p == 0 {
			return newError("keywords", "", NoMem, "out of memory")
		}
		defer sqlite3.Xsqlite3_free(tls, p)
		for i := range sqlite3.Xsqlite3_keyword_count(tls) {
			sqlite3.Xsqlite3_keyword_name(tls, i, p, p+8)
			words = append(words, string(bytesAt(*(*uintptr)(pointer(p)), int(*(*int32)(pointer(p + 8))))))
		}
		return nil
	})
	return words
}

// IsKeyword reports whether the parser knows the word, in any case, so that it has to be quoted to be a name.
//
// https://sqlite.org/c3ref/keyword_check.html
func IsKeyword(word string) (is bool) {
	_ = withText(word, func(tls *libc.TLS, p uintptr) {
		is = sqlite3.Xsqlite3_keyword_check(tls, p, int32(len(word))) != 0
	})
	return is && strings.IndexByte(word, 0) < 0
}

// withText makes a call with a copy of text in SQLite's memory.
func withText(text string, call func(tls *libc.TLS, p uintptr)) error {
	return withLibrary(func(tls *libc.TLS) error {
		p := sqlite3.Xsqlite3_malloc64(tls, sqlite3.Tsqlite3_uint64(len(text)+1))
		if p == 0 {
			return newError("copy text", "", NoMem, "out of memory")
		}
		defer sqlite3.Xsqlite3_free(tls, p)
		b := bytesAt(p, len(text)+1)
		copy(b, text)
		b[len(text)] = 0
		call(tls, p)
		return nil
	})
}

// withLibrary makes a call that is about no connection.
func withLibrary(call func(*libc.TLS) error) error {
	if err := initialize(); err != nil {
		return err
	}
	tls := libc.NewTLS()
	defer tls.Close()
	return call(tls)
}

func cBool(b bool) int32 {
	if b {
		return 1
	}
	return 0
}
