package floe

import (
	"fmt"
	"slices"
	"strings"
)

// foreignKeys are parameters of other drivers, with what takes their place. A hint at the nearest name of floe's would
// lead astray.
var foreignKeys = map[string]string{
	// modernc.org/sqlite
	"_time_format":         "times are written as 2006-01-02 15:04:05.999999999-07:00, which is its format sqlite: leave it out",
	"_time_integer_format": "an INTEGER in a column declared DATE, DATETIME or TIMESTAMP is read in seconds, or milliseconds beyond 1e12, and times are written as text: leave it out",
	"_timezone":            "_loc is the zone that times are read in",
	"_inttotime":           "an INTEGER in a column declared DATE, DATETIME or TIMESTAMP is a time: leave it out",
	"_texttotime":          "text in a column declared DATE, DATETIME or TIMESTAMP is a time: leave it out",
	"_dqs":                 "SQL decides: engine.Conn.DBConfig in a function given to WithOnConnect sets SQLite's switches",
	"_defensive":           "engine.Conn.DBConfig in a function given to WithOnConnect sets SQLite's switches",
	"_error_rc":            "errors are *engine.Error, with the extended code: leave it out",

	// mattn/go-sqlite3
	"_mutex":           "database/sql gives a connection to one goroutine at a time: leave it out",
	"_stmt_cache_size": "statements are kept without being asked: leave it out",
	"_auth":            noUsers,
	"_auth_user":       noUsers,
	"_auth_pass":       noUsers,
	"_auth_crypt":      noUsers,
	"_auth_salt":       noUsers,

	// ncruces/go-sqlite3
	"_timefmt": "times are written as 2006-01-02 15:04:05.999999999-07:00: leave it out",

	// encrypting builds of SQLite, and libSQL's clients
	"_crypto_key":                 noEncryption,
	"_key":                        noEncryption,
	"_hexkey":                     noEncryption,
	"_textkey":                    noEncryption,
	"key":                         noEncryption,
	"hexkey":                      noEncryption,
	"textkey":                     noEncryption,
	"_cipher":                     noEncryption,
	"cipher":                      noEncryption,
	"_encryption_key":             noEncryption,
	"encryption_key":              noEncryption,
	"encryptionkey":               noEncryption,
	"encryption_cipher":           noEncryption,
	"remote_encryption_key":       noEncryption,
	"experimental_encryption_key": noEncryption,

	// libSQL's clients
	"jwt":        "the token is authToken",
	"auth_token": "the token is authToken",
	"token":      "the token is authToken",
	"sync_url":   "the server of a replica is primary",
	"syncurl":    "the server of a replica is primary",
	"proxy":      "WithHTTPClient takes a client with a proxy",
	"offline":    "a replica reads without its server, and writes go to it",
}

const (
	noUsers      = "SQLite has no users any more: the file's permissions say who may read it"
	noEncryption = "there is no encryption of files"
)

// foreignPragma explains a pragma of builds of SQLite that encrypt.
func foreignPragma(name string) string {
	switch name {
	case "key", "rekey", "hexkey", "hexrekey", "textkey", "textrekey", "kdf_iter":
		return noEncryption
	}
	if strings.HasPrefix(name, "cipher") {
		return noEncryption
	}
	return ""
}

// explainKey says what to do instead about a parameter that another driver has, or another mode. It is "" for one that
// neither has.
func explainKey(key string) string {
	lower := strings.ToLower(key)
	if why, ok := foreignKeys[lower]; ok {
		return why
	}
	if strings.HasPrefix(lower, "_pragma_") {
		if foreignPragma(lower[len("_pragma_"):]) != "" {
			return noEncryption
		}
		return fmt.Sprintf("write _pragma=%s(value)", lower[len("_pragma_"):])
	}
	return explainMode(key)
}

// explainMode says which kind of name takes a parameter that this one does not.
func explainMode(key string) string {
	switch {
	case fileKeys[key] != nil:
		return "it is of a local file or a replica: a server has its own settings"
	case slices.Contains(uriKeys, key):
		return "it is of a local file that is no replica"
	case serverKeys[key] != nil:
		return "it is of a server, or of a replica, whose server is primary"
	case replicaKeys[key] != nil || key == "primary":
		return "it is of a replica, which is a file with the parameter primary"
	case key == "tls":
		return "it is of the URL of a server"
	}
	return ""
}
