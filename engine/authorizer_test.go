package engine

import (
	"errors"
	"testing"

	"github.com/floedb/floe/hooks"
)

// TestCachedStatementsObeyTheAuthorizerOfTheMoment sets, replaces and removes one behind a statement in the cache.
func TestCachedStatementsObeyTheAuthorizerOfTheMoment(t *testing.T) {
	c := openMemory(t)
	mustExec(t, c, "CREATE TABLE t(open, secret); INSERT INTO t VALUES (1, 2)")
	const query = "SELECT open, secret FROM t"
	onSecret := func(v hooks.Verdict) hooks.Authorizer {
		return func(a hooks.Action) hooks.Verdict {
			if a.Code == hooks.ActionRead && a.Second == "secret" {
				return v
			}
			return hooks.Allow
		}
	}
	read := func() (secret any, err error) {
		err = c.Query(background, query, nil, func(s *Stmt) error {
			secret = s.ColumnValue(1)
			return nil
		})
		return secret, err
	}
	for _, step := range []struct {
		name string
		rule hooks.Authorizer
		want any
		deny bool
	}{
		{"none", nil, int64(2), false},
		{"ignore", onSecret(hooks.Ignore), nil, false},
		{"deny", onSecret(hooks.Deny), nil, true},
		{"allow", onSecret(hooks.Allow), int64(2), false},
		{"ignore again", onSecret(hooks.Ignore), nil, false},
		{"removed", nil, int64(2), false},
	} {
		if err := c.SetAuthorizer(step.rule); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			got, err := read()
			if step.deny != errors.Is(err, Auth) || !step.deny && err != nil {
				t.Errorf("%s: the error is %v", step.name, err)
			}
			if got != step.want {
				t.Errorf("%s: the column reads as %v, want %v", step.name, got, step.want)
			}
		}
	}
	if stats := c.CacheStats(); stats.Hits < 6 {
		t.Errorf("the statement was taken out of the cache %d times, want at least 6", stats.Hits)
	}
}
