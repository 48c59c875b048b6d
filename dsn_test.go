package floe

import (
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/floedb/floe/engine"
)

// parsed is what the tests compare of a data source name.
type parsed struct {
	Target    dsnTarget
	TxLock    string
	Location  string
	Pragmas   []string
	Token     string
	Namespace string
	Interval  time.Duration
	StaleRead bool
}

func parse(dsn string) (parsed, error) {
	cfg := config{}
	target, err := parseDSN(dsn, &cfg)
	p := parsed{
		Target: target, TxLock: cfg.conn.txLock, Pragmas: cfg.conn.pragmas, Token: cfg.Remote.AuthToken,
		Namespace: cfg.Remote.Namespace, Interval: cfg.interval, StaleRead: cfg.staleRead,
	}
	if cfg.conn.location != nil {
		p.Location = cfg.conn.location.String()
	}
	return p, err
}

func local(name string) dsnTarget { return dsnTarget{mode: modeLocal, name: name} }
func remote(url string) dsnTarget { return dsnTarget{mode: modeRemote, url: url} }
func replicaOf(path, url string) dsnTarget {
	return dsnTarget{mode: modeReplica, path: path, url: url}
}

func TestDataSourceNamesSayWhatIsOpened(t *testing.T) {
	for dsn, want := range map[string]parsed{
		"":                                {Target: local("")},
		":memory:":                        {Target: local(":memory:")},
		"app.db":                          {Target: local("app.db")},
		"file:app.db":                     {Target: local("file:app.db")},
		"file:///var/app.db":              {Target: local("file:///var/app.db")},
		"file://localhost/var/app.db":     {Target: local("file://localhost/var/app.db")},
		"file:my app.db":                  {Target: local("file:my app.db")},
		"file:my%20app.db":                {Target: local("file:my%20app.db")},
		"file:app.db#part":                {Target: local("file:app.db")},
		"my app#1%.db":                    {Target: local("my app#1%.db")},
		`C:\data\app.db`:                  {Target: local(`C:\data\app.db`)},
		`C:\data\app.db?mode=ro`:          {Target: local(`file:C:\data\app.db?mode=ro`)},
		"app.db?_fk=1":                    {Target: local("app.db"), Pragmas: []string{"foreign_keys = 1"}},
		"a#b%c.db?mode=ro":                {Target: local("file:a%23b%25c.db?mode=ro")},
		"//server/app.db?mode=ro":         {Target: local("file:////server/app.db?mode=ro")},
		"file:app.db?mode=ro&_fk=on":      {Target: local("file:app.db?mode=ro"), Pragmas: []string{"foreign_keys = on"}},
		"file:x?mode=memory&cache=shared": {Target: local("file:x?mode=memory&cache=shared")},
		"file:x?vfs=my%20vfs%26":          {Target: local("file:x?vfs=my%20vfs%26")},
		"libsql://db.example.com":         {Target: remote("libsql://db.example.com")},
		"LIBSQL://db.example.com":         {Target: remote("LIBSQL://db.example.com")},
		"http://localhost:8080/x":         {Target: remote("http://localhost:8080/x")},
		"wss://h?authToken=t&namespace=n": {Target: remote("wss://h"), Token: "t", Namespace: "n"},
		"ws://h?tls=0&authToken=t":        {Target: remote("ws://h?tls=0"), Token: "t"},
		"https://h?authToken=a%2Bb#x":     {Target: remote("https://h"), Token: "a+b"},
		"r.db?primary=libsql://h":         {Target: replicaOf("r.db", "libsql://h")},
		"file:r.db?primary=http://h:80&authToken=t&namespace=n&syncInterval=1m30s&readYourWrites=false": {
			Target: replicaOf("r.db", "http://h:80"), Token: "t", Namespace: "n", Interval: 90 * time.Second, StaleRead: true,
		},
		"file:/my%20r.db?primary=libsql://h%3FauthToken=t%26tls=0": {
			Target: replicaOf("/my r.db", "libsql://h?tls=0"), Token: "t",
		},
		"r.db?primary=libsql://h&_busy_timeout=10": {
			Target: replicaOf("r.db", "libsql://h"), Pragmas: []string{"busy_timeout = 10"},
		},
	} {
		got, err := parse(dsn)
		if err != nil {
			t.Errorf("%q: %v", dsn, err)
			continue
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(dsnTarget{})); diff != "" {
			t.Errorf("%q (-want +got):\n%s", dsn, diff)
		}
	}
}

func TestEveryParameterOfAFileIsUnderstood(t *testing.T) {
	for param, want := range map[string]parsed{
		"_loc=auto":                        {Location: "Local"},
		"_loc=Europe/Berlin":               {Location: "Europe/Berlin"},
		"_txlock=immediate":                {TxLock: "IMMEDIATE"},
		"_txlock=exclusive":                {TxLock: "EXCLUSIVE"},
		"_txlock=deferred":                 {TxLock: "DEFERRED"},
		"_auto_vacuum=full":                {Pragmas: []string{"auto_vacuum = full"}},
		"_vacuum=2":                        {Pragmas: []string{"auto_vacuum = 2"}},
		"_busy_timeout=100":                {Pragmas: []string{"busy_timeout = 100"}},
		"_timeout=100":                     {Pragmas: []string{"busy_timeout = 100"}},
		"_cache_size=-4000":                {Pragmas: []string{"cache_size = -4000"}},
		"_case_sensitive_like=true":        {Pragmas: []string{"case_sensitive_like = true"}},
		"_cslike=1":                        {Pragmas: []string{"case_sensitive_like = 1"}},
		"_defer_foreign_keys=1":            {Pragmas: []string{"defer_foreign_keys = 1"}},
		"_defer_fk=1":                      {Pragmas: []string{"defer_foreign_keys = 1"}},
		"_foreign_keys=ON":                 {Pragmas: []string{"foreign_keys = ON"}},
		"_ignore_check_constraints=1":      {Pragmas: []string{"ignore_check_constraints = 1"}},
		"_journal_mode=WAL":                {Pragmas: []string{"journal_mode = WAL"}},
		"_journal=wal":                     {Pragmas: []string{"journal_mode = wal"}},
		"_locking_mode=exclusive":          {Pragmas: []string{"locking_mode = exclusive"}},
		"_locking=NORMAL":                  {Pragmas: []string{"locking_mode = NORMAL"}},
		"_query_only=1":                    {Pragmas: []string{"query_only = 1"}},
		"_recursive_triggers=1":            {Pragmas: []string{"recursive_triggers = 1"}},
		"_rt=1":                            {Pragmas: []string{"recursive_triggers = 1"}},
		"_secure_delete=fast":              {Pragmas: []string{"secure_delete = fast"}},
		"_synchronous=normal":              {Pragmas: []string{"synchronous = normal"}},
		"_sync=0":                          {Pragmas: []string{"synchronous = 0"}},
		"_writable_schema=on":              {Pragmas: []string{"writable_schema = on"}},
		"_pragma=foreign_keys(1)":          {Pragmas: []string{"foreign_keys = 1"}},
		"_pragma=foreign_keys=1":           {Pragmas: []string{"foreign_keys = 1"}},
		"_pragma=main.journal_mode( wal )": {Pragmas: []string{"main.journal_mode = wal"}},
		"_pragma=encoding('UTF-16')":       {Pragmas: []string{"encoding = 'UTF-16'"}},
		`_pragma=encoding("UTF-16")`:       {Pragmas: []string{"encoding = 'UTF-16'"}},
		`_pragma=journal_mode = "wal"`:     {Pragmas: []string{"journal_mode = 'wal'"}},
		"_pragma=optimize(-1)":             {Pragmas: []string{"optimize = -1"}},
		"_pragma=application_id(0x7f)":     {Pragmas: []string{"application_id = 0x7f"}},
		"_pragma=cache_spill(off)":         {Pragmas: []string{"cache_spill = off"}},
		"_pragma=cache_spill(20)":          {Pragmas: []string{"cache_spill = 20"}},
		"_pragma=journal_size_limit(-1)":   {Pragmas: []string{"journal_size_limit = -1"}},
		"_pragma=mmap_size(3000000000)":    {Pragmas: []string{"mmap_size = 3000000000"}},
		"_pragma=wal_checkpoint":           {Pragmas: []string{"wal_checkpoint"}},
		"_pragma=incremental_vacuum(10)":   {Pragmas: []string{"incremental_vacuum = 10"}},
		"_pragma=Optimize":                 {Pragmas: []string{"Optimize"}},
		"_pragma=shrink_memory":            {Pragmas: []string{"shrink_memory"}},
		"_query_only=1&_journal=wal&_vacuum=1&_timeout=7&_fk=1": {Pragmas: []string{
			"busy_timeout = 7", "auto_vacuum = 1", "journal_mode = wal", "foreign_keys = 1", "query_only = 1",
		}},
	} {
		want.Target = local("a.db")
		got, err := parse("a.db?" + param)
		if err != nil {
			t.Errorf("%s: %v", param, err)
			continue
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(dsnTarget{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", param, diff)
		}
	}
}

func TestAWrongDataSourceNameSaysWhatIsWrong(t *testing.T) {
	for dsn, want := range map[string]string{
		"a.db?_foreignkeys=1":                         `unknown parameter "_foreignkeys": did you mean "_foreign_keys"?`,
		"a.db?foreign_keys=1":                         `did you mean "_foreign_keys"?`,
		"a.db?Mode=ro":                                `did you mean "mode"?`,
		"a.db?_mutex=full":                            `unknown parameter "_mutex": database/sql gives a connection to one goroutine`,
		"a.db?_time_format=sqlite":                    `unknown parameter "_time_format": times are written as 2006-01-02`,
		"a.db?_timezone=UTC":                          `unknown parameter "_timezone": _loc is the zone`,
		"a.db?_inttotime=1":                           `is a time: leave it out`,
		"a.db?_texttotime=1":                          `is a time: leave it out`,
		"a.db?_time_integer_format=unix_milli":        `beyond 1e12`,
		"a.db?_auth_user=u":                           `SQLite has no users any more`,
		"a.db?_crypto_key=k":                          `there is no encryption of files`,
		"a.db?_pragma_key=k":                          `there is no encryption of files`,
		"a.db?_pragma_cipher_page_size=4096":          `there is no encryption of files`,
		"a.db?_pragma_foreign_keys=1":                 `write _pragma=foreign_keys(value)`,
		"a.db?_stmt_cache_size=10":                    `statements are kept without being asked`,
		"a.db?_dqs=0":                                 `engine.Conn.DBConfig`,
		"a.db?authToken=x":                            `it is of a server, or of a replica, whose server is primary`,
		"a.db?syncInterval=1s":                        `it is of a replica, which is a file with the parameter primary`,
		"r.db?primary=libsql://h&mode=ro":             `it is of a local file that is no replica`,
		"libsql://h?jwt=x":                            `the token is authToken`,
		"libsql://h?auth_token=x":                     `the token is authToken`,
		"libsql://h?authtoken=x":                      `did you mean "authToken"?`,
		"libsql://h?_fk=1":                            `unknown parameter "_fk": it is of a local file or a replica`,
		"libsql://h?syncInterval=1s":                  `unknown parameter "syncInterval": it is of a replica`,
		"r.db?primary=libsql://h&sync_interval=1s":    `did you mean "syncInterval"?`,
		"a.db?primry=libsql://h":                      `did you mean "primary"?`,
		"htps://h":                                    `unknown scheme: did you mean "https"?`,
		"libsq://h?authToken=x":                       `did you mean "libsql"?`,
		"libsql:/h":                                   `the URL of a server begins with libsql://`,
		"HTTP:h":                                      `the URL of a server begins with http://`,
		"file://machine/a.db":                         `not on "machine"`,
		"file:a%zz.db":                                `a % is written %25`,
		"a.db?_fk=%zz":                                `parameter "_fk": %XX stands for a byte`,
		"a.db?_fk":                                    `parameter _fk: "" is not one of on, off,`,
		"a.db?_fk=maybe":                              `"maybe" is not one of on, off,`,
		"a.db?_journal=none":                          `"none" is not one of delete, truncate,`,
		"a.db?_timeout=5s":                            `"5s" is not a number of milliseconds`,
		"a.db?immutable=tru":                          `parameter immutable: "tru" is not one of on, off,`,
		"file:a.db?nolock=":                           `parameter nolock: "" is not one of on, off,`,
		"a.db?_busy_timeout=-1":                       `"-1" is not a number from 0 to 2147483647`,
		"a.db?_busy_timeout=1.5":                      `"1.5" is not a number of milliseconds`,
		"a.db?_cache_size=99999999999":                `is not a number from -2147483648 to`,
		"a.db?_journal_mode=walx":                     `"walx" is not one of delete, truncate,`,
		"a.db?_synchronous=4":                         `"4" is not one of off, normal,`,
		"a.db?_pragma=foreign_key(1)":                 `parameter _pragma: no such pragma "foreign_key": did you mean "foreign_keys"?`,
		"a.db?_pragma=busy_timout(100)":               `did you mean "busy_timeout"?`,
		"a.db?_pragma=main.journal_mod(wal)":          `did you mean "journal_mode"?`,
		"a.db?_pragma=Foreign_Keys(onn)":              `pragma foreign_keys: "onn" is not one of on, off,`,
		`a.db?_pragma=foreign_keys("onn")`:            `pragma foreign_keys: "onn" is not one of on, off,`,
		`a.db?_pragma=foreign_keys("on')`:             `is not of the form name(value)`,
		"a.db?_pragma=foreign_keys('onn')":            `"onn" is not one of on, off,`,
		"a.db?_pragma=foreign_keys(2)":                `"2" is not one of on, off,`,
		"a.db?_pragma=foreign_keys":                   `pragma foreign_keys: a value is missing`,
		"a.db?_pragma=foreign_keys('')":               `pragma foreign_keys: a value is missing`,
		"a.db?_pragma=journal_mode(walx)":             `"walx" is not one of delete, truncate,`,
		"a.db?_pragma=main.journal_mode=walx":         `"walx" is not one of delete, truncate,`,
		"a.db?_pragma=busy_timeout(5s)":               `"5s" is not a number of milliseconds`,
		"a.db?_pragma=busy_timeout(0.5)":              `"0.5" is not a number of milliseconds`,
		"a.db?_pragma=synchronous(max)":               `"max" is not one of off, normal,`,
		"a.db?_pragma=page_size(1000)":                `"1000" is not one of 512, 1024,`,
		"a.db?_pragma=wal_checkpoint(all)":            `"all" is not one of passive, full,`,
		"a.db?_pragma=user_version(0xffffffff)":       `is not a number`,
		"a.db?_pragma=page_count(5)":                  `pragma page_count sets nothing`,
		"a.db?_pragma=key(secret)":                    `no such pragma "key": there is no encryption`,
		"r.db?primary=libsql://h&_pragma=fk(1)":       `no such pragma "fk"`,
		"a.db?_txlock=now":                            `"now" is not one of deferred, immediate and exclusive`,
		"a.db?_loc=Atlantis":                          `"Atlantis" is not a time zone`,
		"a.db?_pragma=f(1);DROP TABLE t":              `is not of the form name(value)`,
		"a.db?_pragma=(1)":                            `is not of the form name(value)`,
		"a.db?_pragma=f()":                            `is not of the form name(value)`,
		"?primary=libsql://h":                         `a replica needs a file`,
		":memory:?primary=libsql://h":                 `a replica needs a file`,
		"r.db?primary=":                               `it is the URL of a server`,
		"r.db?primary=libsql://h%3Fx=1":               `parameter primary: unknown parameter "x"`,
		"r.db?primary=libsql://h&syncInterval=often":  `"often" is not a duration`,
		"r.db?primary=libsql://h&syncInterval=-1s":    `"-1s" is not a duration`,
		"r.db?primary=libsql://h&readYourWrites=some": `"some" is not true or false`,
	} {
		_, err := parse(dsn)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %s", dsn, err, want)
		}
	}
}

func TestATokenIsInNoError(t *testing.T) {
	const token = "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJhIjoicncifQ.c2VjcmV0"
	for _, dsn := range []string{
		"libsql://h?" + token,
		"libsql://h?" + token + "%zz",
		"libsql://h?authToken=" + token + "%zz",
		"libsql://h?authToken=" + token + "&x=1",
		"libsql://h?authtoken=" + token,
		"libsq://h?authToken=" + token,
		"libsql:h?authToken=" + token,
		"r.db?primary=libsql://h%3FauthToken=" + token + "%26x=1",
		"r.db?primary=libsql://h&auth_token=" + token,
		token + "://h",
	} {
		_, err := parse(dsn)
		if err == nil {
			t.Errorf("%q: no error", dsn)
			continue
		}
		if strings.Contains(err.Error(), "eyJ") {
			t.Errorf("the token is in the error %q", err)
		}
	}
}

func TestThePathOfAURIIsThatOfSQLite(t *testing.T) {
	for uri, want := range map[string]string{
		"app.db": "app.db", "a%20b": "a%20b", "file:app.db": "app.db", "file:a%20b": "a b", "file:/a": "/a",
		"file:///a/b": "/a/b", "file://localhost/a": "/a", "file:": "", "file::memory:": ":memory:",
	} {
		got, err := pathOfURI(uri)
		if err != nil || got != want {
			t.Errorf("%q: path %q, %v, want %q", uri, got, err, want)
		}
	}
	want := "/C:/a"
	if runtime.GOOS == "windows" {
		want = "C:/a"
	}
	if got, err := pathOfURI("file:///C:/a"); got != want || err != nil {
		t.Errorf("path %q, %v, want %q", got, err, want)
	}
}

func FuzzDataSourceName(f *testing.F) {
	for _, dsn := range []string{
		":memory:", "file:a%20b.db?mode=ro&_fk=1#x", "libsql://h?authToken=t&tls=0", "r.db?primary=libsql://h%3Fa&syncInterval=1s",
		"a.db?_pragma=x('it''s')", "https:h", "a.db?_loc=auto&_txlock=immediate",
	} {
		f.Add(dsn)
	}
	f.Fuzz(func(t *testing.T, dsn string) {
		p, err := parse(dsn)
		if err != nil {
			return
		}
		if p.Target.mode == modeRemote != IsURL(dsn) {
			t.Errorf("%q: mode %d, and IsURL says %v", dsn, p.Target.mode, IsURL(dsn))
		}
		for _, pragma := range p.Pragmas {
			if name, value, _ := strings.Cut(pragma, " = "); !plain(name) || !plain(value) && value[0] != '\'' {
				t.Errorf("%q: pragma %q", dsn, pragma)
			}
		}
		if p.Target.mode == modeLocal && strings.HasPrefix(p.Target.name, "file:") {
			if _, err := pathOfURI(strings.SplitN(p.Target.name, "?", 2)[0]); err != nil {
				t.Errorf("%q: name %q: %v", dsn, p.Target.name, err)
			}
		}
	})
}

func TestThePragmasAreThoseOfSQLite(t *testing.T) {
	ours := slices.Sorted(maps.Keys(pragmaKinds))
	theirs := slices.Sorted(slices.Values(sqlitePragmas()))
	if diff := cmp.Diff(theirs, ours); diff != "" {
		t.Errorf("pragmas (-SQLite +table):\n%s", diff)
	}
}

// What a name may say is what SQLite understands: it can be read again.
func TestTheValuesOfPragmasAreThoseOfSQLite(t *testing.T) {
	truths := map[string]string{"on": "1", "true": "1", "yes": "1", "off": "0", "false": "0", "no": "0"}
	numbers := map[string]map[string]string{
		"secure_delete": {"fast": "2"},
		"synchronous":   {"off": "0", "normal": "1", "full": "2", "extra": "3"},
		"temp_store":    {"default": "0", "file": "1", "memory": "2"},
		"auto_vacuum":   {"none": "0", "full": "1", "incremental": "2"},
		"journal_mode":  {"off": "off"},
		"encoding": {
			"utf-8": "UTF-8", "utf8": "UTF-8", "utf-16le": "UTF-16le", "utf16le": "UTF-16le", "utf-16be": "UTF-16be", "utf16be": "UTF-16be",
		},
	}
	skip := []string{"case_sensitive_like", "wal_checkpoint", "cache_spill"} // are not read as they are set
	for name, kind := range pragmaKinds {
		if slices.Contains(skip, name) {
			continue
		}
		for _, word := range strings.Fields(kind.words) {
			if word == "reset" || word == "utf-16" || word == "utf16" { // of the machine's byte order
				continue
			}
			c, err := engine.Open(filepath.Join(t.TempDir(), "a.db"), 0)
			if err != nil {
				t.Fatal(err)
			}
			err = setPragma(t.Context(), c, name+" = '"+word+"'")
			got, getErr := c.PragmaText(t.Context(), "", name)
			want := word
			if number, ok := numbers[name][word]; ok {
				want = number
			} else if truth, ok := truths[word]; ok {
				want = truth
			}
			if err != nil || getErr != nil || got != want {
				t.Errorf("%s = %s is read as %q, want %q (%v, %v)", name, word, got, want, err, getErr)
			}
			c.Close()
		}
	}
}
