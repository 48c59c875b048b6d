package engine

import (
	"errors"
	"testing"

	"github.com/floedb/floe/hooks"
	"github.com/google/go-cmp/cmp"
)

// TestFeedHasNothingThatTheDiskRefused lets calls to the disk fail while transactions are fed. What the feed has must
// be what the file has, but for a commit whose error leaves open whether it is there.
func TestFeedHasNothingThatTheDiskRefused(t *testing.T) {
	registerFaultyVFS(t)
	for _, journal := range []string{"WAL", "DELETE"} {
		for _, sticky := range []bool{false, true} {
			original := createAccounts(t, journal)
			for at := 1; !t.Failed(); at += 4 * faultStride() {
				armIOFaults(at, sticky, sticky)
				if calls := feedUnderFault(t, original, "?vfs=faulty", disarmIOFaults); calls < at {
					break
				}
			}
		}
	}
}

func TestFeedHasNothingThatHadNoMemory(t *testing.T) {
	for _, sticky := range []bool{false, true} {
		original := createAccounts(t, "WAL")
		for at := 1; !t.Failed(); at += 8 * faultStride() {
			armMemoryFaults(at, sticky)
			if calls := feedUnderFault(t, original, "", disarmMemoryFaults); calls < at {
				break
			}
		}
	}
}

// feedUnderFault makes transfers in a copy of the database, follows them by the feed, and compares. It reports how many
// calls were made that could have failed.
func feedUnderFault(t *testing.T, original, query string, disarm func() int) (calls int) {
	t.Helper()
	name := copyDatabase(t, original)
	feed := hooks.NewFeed(hooks.FeedOptions{Values: true})
	consumer := feed.Consumer()
	failed := transferWithFeed("file:"+name+query, feed)
	calls = disarm()

	rows, _ := accountsIn(t, original)
	fed := int64(0)
	for _, tx := range taken(t, consumer) {
		fed++
		for _, c := range tx.Changes {
			if c.Old != nil {
				delete(rows, c.Old[0])
			}
			if c.New != nil {
				rows[c.New[0]] = accountRow(c.New)
			}
		}
	}
	inFile, version := accountsIn(t, name)
	if version != fed && (version != fed+1 || failed == nil) {
		t.Errorf("after %v: %d transactions were fed, and the file has %d", failed, fed, version)
	}
	if version != fed {
		return calls
	}
	if diff := cmp.Diff(inFile, rows); diff != "" {
		t.Errorf("after %v (-file +copy):\n%s", failed, diff)
	}
	return calls
}

// accountsIn returns the rows of a file, by their rowid, and its version.
func accountsIn(t *testing.T, name string) (rows map[any][3]any, version int64) {
	t.Helper()
	c, err := Open(name, OpenReadWrite)
	must(t, err)
	rows = make(map[any][3]any)
	for _, row := range values(t, c, "SELECT id, balance, note FROM account") {
		rows[row[0]] = accountRow(row)
	}
	version = values(t, c, "PRAGMA user_version")[0][0].(int64)
	must(t, c.Close())
	return rows, version
}

// accountRow makes texts of blobs, which are quicker to compare.
func accountRow(row []any) [3]any {
	if note, ok := row[2].([]byte); ok {
		return [3]any{row[0], row[1], string(note)}
	}
	return [3]any{row[0], row[1], row[2]}
}

// transferWithFeed makes two transfers, and goes on with the second one when the first one was not done.
func transferWithFeed(name string, feed *hooks.Feed) error {
	c, err := Open(name, OpenReadWrite|OpenURI)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := errors.Join(c.Exec(background, "PRAGMA cache_size = 8"), c.SetFeed(feed)); err != nil {
		return err
	}
	version, first := transfer(c, 0)
	_, second := transfer(c, version)
	return errors.Join(first, second)
}
