package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// accounts is the database that the fault tests write to: the sum of all balances is the same after each transaction,
// and the version tells which transactions have been committed.
const accounts = `
	CREATE TABLE account(id INTEGER PRIMARY KEY, balance INTEGER NOT NULL, note BLOB);
	CREATE INDEX account_balance ON account(balance);
	WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)
	INSERT INTO account SELECT i, 100, randomblob(1500) FROM n;
	PRAGMA user_version = 0`

const accountsTotal = 4000

func createAccounts(tb testing.TB, journal string) string {
	tb.Helper()
	name := filepath.Join(tb.TempDir(), "accounts.db")
	c, err := Open(name, 0)
	if err != nil {
		tb.Fatal(err)
	}
	mustExec(tb, c, "PRAGMA journal_mode = "+journal)
	mustExec(tb, c, accounts)
	if err := c.Close(); err != nil {
		tb.Fatal(err)
	}
	return name
}

// copyDatabase copies a database that nobody has open.
func copyDatabase(tb testing.TB, original string) string {
	tb.Helper()
	image, err := os.ReadFile(original)
	if err != nil {
		tb.Fatal(err)
	}
	name := filepath.Join(tb.TempDir(), "copy.db")
	if err := os.WriteFile(name, image, 0o666); err != nil {
		tb.Fatal(err)
	}
	return name
}

// transfer moves money around in one transaction that touches most pages, and more of them than the cache holds. It
// ends the transaction in any case, and reports the version it has committed for certain.
func transfer(c *Conn, version int64) (committed int64, err error) {
	defer func() {
		if err != nil && !c.AutoCommit() {
			_ = c.Exec(background, "ROLLBACK")
		}
	}()
	for _, sql := range []string{
		"BEGIN IMMEDIATE",
		"UPDATE account SET balance = balance - 1, note = randomblob(2500) WHERE id % 2 = 0",
		"SAVEPOINT half",
		"DELETE FROM account WHERE id > 10",
		"ROLLBACK TO half",
		"UPDATE account SET balance = balance + 1, note = zeroblob(100) WHERE id % 2 = 1",
		fmt.Sprintf("PRAGMA user_version = %d", version+1),
	} {
		if err := c.Exec(background, sql); err != nil {
			return version, err
		}
	}
	if err := c.Query(background, "SELECT balance, note FROM account ORDER BY balance, note", nil, func(*Stmt) error { return nil }); err != nil {
		return version, err
	}
	if err := c.Exec(background, "COMMIT"); err != nil {
		return version, err
	}
	return version + 1, nil
}

// work opens the database, makes transfers until one fails, and closes it. It reports how many are committed for
// certain, and one more if the last one might be.
func work(name string, usable func(*Conn) error) (certain int64, failed error) {
	c, err := Open(name, OpenReadWrite|OpenURI)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	failed = c.Exec(background, "PRAGMA cache_size = 8")
	for certain < 2 && failed == nil {
		certain, failed = transfer(c, certain)
	}
	if failed == nil {
		_, _, failed = c.Checkpoint("", CheckpointTruncate)
	}
	if e := usable(c); e != nil {
		return certain, fmt.Errorf("after %v the connection is not usable: %w", failed, e)
	}
	return certain, failed
}

var errUnusable = errors.New("unusable")

// afterwards checks a connection once whatever made it fail is gone.
func afterwards(disarm func()) func(*Conn) error {
	return func(c *Conn) error {
		disarm()
		// Without memory a rollback cannot even be compiled. It has to be possible now.
		if !c.AutoCommit() {
			if err := c.Exec(background, "ROLLBACK"); err != nil {
				return fmt.Errorf("%w: %w", errUnusable, err)
			}
		}
		var sum int64
		err := c.Query(background, "SELECT sum(balance) FROM account", nil, func(s *Stmt) error {
			sum = s.ColumnInt64(0)
			return nil
		})
		if err != nil {
			return fmt.Errorf("%w: %w", errUnusable, err)
		}
		if sum != accountsTotal {
			return fmt.Errorf("%w: the balances add up to %d", errUnusable, sum)
		}
		if err := c.Exec(background, "BEGIN IMMEDIATE; UPDATE account SET balance = balance; ROLLBACK"); err != nil {
			return fmt.Errorf("%w: %w", errUnusable, err)
		}
		return nil
	}
}

// checkAccounts opens the file as any other program would.
func checkAccounts(t *testing.T, name string, certain int64) {
	t.Helper()
	c := openTest(t, name, OpenReadWrite)
	if got := values(t, c, "PRAGMA integrity_check"); len(got) != 1 || got[0][0] != "ok" {
		t.Errorf("integrity check: %v", got)
	}
	if got := values(t, c, "SELECT sum(balance) FROM account")[0][0]; got != int64(accountsTotal) {
		t.Errorf("the balances add up to %v, want %d", got, accountsTotal)
	}
	version := values(t, c, "PRAGMA user_version")[0][0].(int64)
	if version != certain && version != certain+1 {
		t.Errorf("the file has version %d, but %d was the last to be committed without an error", version, certain)
	}
}

// TestIOErrorsAreReportedAndLeaveNothingHalf lets calls to the disk fail, once or from there on.
func TestIOErrorsAreReportedAndLeaveNothingHalf(t *testing.T) {
	registerFaultyVFS(t)
	for _, journal := range []string{"WAL", "DELETE"} {
		for _, kind := range []struct {
			name         string
			sticky, full bool
		}{{"once", false, false}, {"from there on", true, false}, {"disk full", true, true}} {
			t.Run(journal+" "+kind.name, func(t *testing.T) {
				everyFault(t, journal, "?vfs=faulty", func(at int) { armIOFaults(at, kind.sticky, kind.full) }, disarmIOFaults,
					IOErr, Full, CantOpen, Corrupt)
			})
		}
	}
}

// faultStride is how many faults a test goes on at once: in its long form it makes each of them.
func faultStride() int {
	switch {
	case os.Getenv("FLOE_TORTURE") != "":
		return 1
	case testing.Short():
		return 23
	}
	return 5
}

// everyFault runs the work with the first call failing, the second one, and so on until it comes to its end before. An
// error that is reported has one of the codes.
func everyFault(t *testing.T, journal, query string, arm func(at int), disarm func() int, codes ...ResultCode) {
	t.Helper()
	failures := 0
	original := createAccounts(t, journal)
	for at := 1; !t.Failed(); at += faultStride() {
		arm(at)
		calls, err := oneFault(t, original, query, disarm)
		if err != nil {
			failures++
			if !hasCode(err, codes) {
				t.Errorf("fault %d: the error is %v, want one of %v", at, err, codes)
			}
		}
		if calls < at {
			break
		}
	}
	if failures == 0 {
		t.Error("no fault was seen as an error")
	}
}

// oneFault runs the work on a copy of the database while a fault is armed, and reports how many calls it made that
// could have failed, and its error.
func oneFault(t *testing.T, original, query string, disarm func() int) (calls int, err error) {
	t.Helper()
	name := copyDatabase(t, original)
	certain, err := work("file:"+name+query, afterwards(func() { calls = disarm() }))
	calls += disarm()
	if errors.Is(err, errUnusable) {
		t.Error(err)
	}
	checkAccounts(t, name, certain)
	return calls, err
}

// TestStatementRollbackThatFailsLeavesNoStalePages is about the case of distrustCache: the disk is full when a
// statement has frames in the WAL, and cannot be read when the statement is rolled back.
func TestStatementRollbackThatFailsLeavesNoStalePages(t *testing.T) {
	registerFaultyVFS(t)
	original := createAccounts(t, "WAL")
	for at := 50; at < 70; at++ {
		armIOFaults(at, true, true)
		if _, err := oneFault(t, original, "?vfs=faulty", disarmIOFaults); err == nil {
			t.Errorf("fault %d was not seen", at)
		}
	}
}

func hasCode(err error, codes []ResultCode) bool {
	for _, code := range codes {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}

// TestOutOfMemoryIsReportedAndLeavesNothingHalf lets allocations fail, once or from there on.
func TestOutOfMemoryIsReportedAndLeavesNothingHalf(t *testing.T) {
	for _, sticky := range []bool{false, true} {
		t.Run(map[bool]string{false: "once", true: "from there on"}[sticky], func(t *testing.T) {
			everyFault(t, "WAL", "", func(at int) { armMemoryFaults(at, sticky) }, disarmMemoryFaults, NoMem, IOErrNoMem)
		})
	}
}
